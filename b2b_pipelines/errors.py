"""Errors of the product, sorted by what the caller can do about them.

Every error carries a `code` for programs and a message for people. The message is one line and names the next step. It
holds no e-mail address, no enrollment code and no secret, because it is logged and shown in the Dagster UI.
"""

from typing import ClassVar


class B2BError(Exception):
    """An error that the product raises on purpose, with a message for people."""

    code: ClassVar[str] = "failed"

    @property
    def message(self) -> str:
        """Return the message as one line."""
        return " ".join(str(self).split())


class Refused(B2BError):
    """The request breaks a rule. Nothing was changed; the same request would be refused again."""

    code = "refused"


class InvalidInput(Refused):
    """A value is invalid: a malformed date, URL, address or file."""

    code = "invalid_input"


class NotFound(Refused):
    """The named object does not exist, or the caller may not see it."""

    code = "not_found"


class Conflict(Refused):
    """The requested value is taken: a slug, a tab, a run of another contract."""

    code = "conflict"


class NotConfigured(Refused):
    """A capability is off because its settings are missing; the message names them."""

    code = "not_configured"


class TransientError(B2BError):
    """The error may pass without any action: a time-out, a 5xx, a quota. Retry later."""

    code = "transient"


class PermanentError(B2BError):
    """The error remains until a person acts; the message has the action. Never retried."""

    code = "permanent"
