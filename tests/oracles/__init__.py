"""Other people's code as the judge: official SDKs, and a real inference server."""
