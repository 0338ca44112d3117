"""Learners: joining a contract with a code, by sign-on or by hand, and leaving it."""
