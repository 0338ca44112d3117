"""Checkout intents: learners' attempts to buy a plan or an academy, changed by verified events alone."""
