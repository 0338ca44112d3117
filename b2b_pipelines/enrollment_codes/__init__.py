"""Enrollment codes: which there must be, how they come about, and who redeemed them."""
