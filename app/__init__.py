"""The service: HTTP and the `recap` command."""
