"""The furniture of every HTTP client: requests, retries, bounds, sign-in, counting, and messages without addresses.

Import its modules: this package imports none, because Google is asked without httpx.
"""
