"""Tokens of the API: their scopes and the organization they are bound to."""
