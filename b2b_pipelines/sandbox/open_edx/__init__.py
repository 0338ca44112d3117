"""Stand-ins of Open edX: the LMS, which also gives out the tokens for every other service."""

from b2b_pipelines.sandbox.open_edx.lms import CLIENT_ID, CLIENT_SECRET, Expiration, Lms, Unlinking

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Expiration", "Lms", "Unlinking"]
