"""Plain clients of external systems.

Each has a base URL, a timeout on every call, typed answers and errors.
"""
