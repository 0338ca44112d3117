"""Checkout intents: learners' attempts to buy.

Only verified events change them.
"""
