"""Prune rows of Dagster's database and of the product's that have passed their retention."""
