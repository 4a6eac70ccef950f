"""The tasks: what each adds to the networks they share."""
