"""Middleware, one concern a module. It refuses a request by raising `Refusal`, which is answered further out."""
