"""Enrollment codes: the number a contract needs, their creation, and their redemptions."""
