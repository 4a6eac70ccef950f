"""The tasks: what each adds to the service."""
