"""One small, typed client for every language-model service."""

__version__ = "0.1.0.dev0"
