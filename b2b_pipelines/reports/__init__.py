"""Listings that are read: the same rows for API, pages and commands. Set-based; each page costs a constant number of queries."""
