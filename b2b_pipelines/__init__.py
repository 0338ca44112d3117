"""The B2B side of an online-learning organization: contracts, licenses, academies."""
