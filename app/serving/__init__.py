"""Requests to results, on threads; knows no HTTP."""
