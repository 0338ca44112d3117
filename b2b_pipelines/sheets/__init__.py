"""A contract's codes in the customer's Google Sheet."""
