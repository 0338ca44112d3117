"""Plain clients of the systems around us: a base URL, a timeout on every call, typed answers and errors."""
