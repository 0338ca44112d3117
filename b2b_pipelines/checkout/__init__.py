"""Checkout: what a learner may take home, for what, and the record that they did."""
