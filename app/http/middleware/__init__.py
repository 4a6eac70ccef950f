"""Middleware, one concern a module."""
