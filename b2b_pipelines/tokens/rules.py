"""Scopes of tokens."""

from enum import StrEnum


class Scope(StrEnum):
    """Permissions of a token.

    `emails` shows e-mail addresses in everything it reads, and the answers to `manage` contain what was changed, so
    both include `read`.
    """

    READ = "read"
    EMAILS = "emails"
    ATTACH = "attach"
    CHECKOUT = "checkout"
    PROVISIONING = "provisioning"
    MANAGE = "manage"
    METRICS = "metrics"
