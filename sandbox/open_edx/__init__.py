"""Stand-ins of Open edX: the LMS, which also gives out the tokens for every other service, and Studio."""

from sandbox.open_edx.accounts import CLIENT_ID, CLIENT_SECRET, Accounts
from sandbox.open_edx.callers import Caller
from sandbox.open_edx.lms import Expiration, Lms, Unlinking
from sandbox.open_edx.studio import Clone, Studio

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Accounts", "Caller", "Clone", "Expiration", "Lms", "Studio", "Unlinking"]
