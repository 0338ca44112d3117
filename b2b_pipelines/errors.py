"""What can go wrong, sorted by what may be done about it.

Every error carries a `code` for programs and a message for people. The message is one line and says what to do; it
holds no e-mail address, no enrollment code and no secret, because it is logged and shown in the Dagster UI.
"""

from typing import ClassVar


class B2BError(Exception):
    """Anything this product refuses or fails to do, on purpose and in words."""

    code: ClassVar[str] = "failed"

    @property
    def message(self) -> str:
        return " ".join(str(self).split())


class Refused(B2BError):
    """The request breaks a rule: nothing was changed, and asking again without a change is refused again."""

    code = "refused"


class InvalidInput(Refused):
    """A value cannot be understood: a malformed date, URL, address or file."""

    code = "invalid_input"


class NotFound(Refused):
    """What was named does not exist (or is not the caller's to see)."""

    code = "not_found"


class Conflict(Refused):
    """What was asked for is taken: a slug, a tab, a run of another contract."""

    code = "conflict"


class NotConfigured(Refused):
    """A capability is off because its settings are missing; the message names them."""

    code = "not_configured"


class TransientError(B2BError):
    """It may pass by itself: a time-out, a 5xx, a quota. Trying again later is right."""

    code = "transient"


class PermanentError(B2BError):
    """It will not pass by itself: a person has to act, and the message says how. Never retried."""

    code = "permanent"
