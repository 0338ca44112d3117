"""The software-defined assets: what exists, what it is made from, and what must be true of it."""
