"""Stand-ins of Open edX: the LMS, which also gives out the tokens for every other service."""

from b2b_pipelines.sandbox.open_edx.lms import CLIENT_ID, CLIENT_SECRET, Expiration, Lms, Unlinking
from b2b_pipelines.sandbox.open_edx.studio import Rerun, Studio

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Expiration", "Lms", "Rerun", "Studio", "Unlinking"]
