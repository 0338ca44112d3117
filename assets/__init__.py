"""The software-defined assets, their inputs and their checks."""
