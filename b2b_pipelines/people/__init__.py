"""People who sign in to the pages: contract managers and viewers, with a password or through OpenID Connect."""
