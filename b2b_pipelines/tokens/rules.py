"""What a token may be used for."""

from enum import StrEnum


class Scope(StrEnum):
    """What a token may be used for. `emails` is reading with e-mail addresses shown, and `manage` answers with what was
    changed, so both bring `read`."""

    READ = "read"
    EMAILS = "emails"
    ATTACH = "attach"
    CHECKOUT = "checkout"
    PROVISIONING = "provisioning"
    MANAGE = "manage"
    METRICS = "metrics"
