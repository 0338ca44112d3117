"""People who sign in to the pages: viewers and contract managers.

They sign in with a password or through OpenID Connect.
"""
