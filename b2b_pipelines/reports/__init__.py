"""Listings for API, pages and commands, with the same rows.

Each page costs a constant number of queries.
"""
