"""Pruning: rows of Dagster's database and of ours that are older than the settings keep them."""
