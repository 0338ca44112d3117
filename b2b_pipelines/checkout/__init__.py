"""Checkout: which products a learner may get, at what price, and the record of it."""
