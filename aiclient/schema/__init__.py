"""Types as JSON schemas and JSON as values of types, and schemas in the dialects of services."""
