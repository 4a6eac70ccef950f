"""Captioners, trained on pictures with sentences."""
