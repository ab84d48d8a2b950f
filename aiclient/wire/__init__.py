"""The vendors' protocols: framing, and codecs between values and bytes. Pure: no clock, no environment, no HTTP."""
