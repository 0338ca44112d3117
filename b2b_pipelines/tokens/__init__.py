"""Tokens: who may use the API, for what, and for which organization."""
