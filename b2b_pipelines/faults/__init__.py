"""Faults that last, and their alerts: one message when a fault begins and one when it ends."""
