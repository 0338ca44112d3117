"""Expired licenses: end the enrollments they paid for and, after the grace period, unlink their learners."""
