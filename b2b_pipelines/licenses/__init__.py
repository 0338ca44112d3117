"""Expired licenses: ending the enrollments they paid for and, long after, unlinking the learners who held them."""
