"""Untrusted bytes to pictures: the header before the content."""
