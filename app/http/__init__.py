"""Manners that all routes share."""
