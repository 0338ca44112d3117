"""A contract's codes in the customer's Google Sheet: found, planned, written, verified, kept."""
