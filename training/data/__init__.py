"""Readers of files, by their kind."""
