"""The business an online-learning organization does with organizations: contracts, licenses, academies."""
