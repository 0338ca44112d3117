"""Checkout intents: learners' attempts to buy a plan or an academy, moved on by verified events alone."""
