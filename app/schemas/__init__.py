"""Shapes of the answers, as they stand in /docs."""
