"""Plain clients of external systems: a base URL, a timeout on every call, typed answers and errors."""
