"""Data sets, losses, loops, metrics and the `recap-train` command."""
