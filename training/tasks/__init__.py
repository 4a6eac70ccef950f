"""The tasks: what each adds to the loop, the readers and the scores that they share."""
