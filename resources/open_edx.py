"""The LMS's enterprise endpoints, as assets get them, and the sign-in to every Open edX service."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeVar

import dagster as dg
from pydantic import Field

from b2b_pipelines.vendors.connections import enterprise_lms
from b2b_pipelines.vendors.open_edx import EnterpriseLms
from resources.fields import settings_of

Client = TypeVar("Client")


class OpenEdxResource(dg.ConfigurableResource[Client]):
    """Fields of every resource that signs in at an Open edX service."""

    lms_url: str | None = Field(default=None, description="Base URL of the LMS.")
    oauth_client_id: str | None = Field(default=None, description="OAuth client of all Open edX services.")
    oauth_client_secret: str | None = Field(default=None, description="Secret of the OAuth client.")


class EnterpriseLmsResource(OpenEdxResource[EnterpriseLms | None]):
    """Hands out `EnterpriseLms`, or None while its settings are missing."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[EnterpriseLms | None, None, None]:
        with enterprise_lms(settings_of(self)) as lms:
            yield lms
