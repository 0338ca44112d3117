"""Expired licenses: end their enrollments and, after the grace period, unlink learners."""
