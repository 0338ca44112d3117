"""Open edX Studio, as assets get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from b2b_pipelines.vendors.connections import studio
from b2b_pipelines.vendors.studio import Studio
from resources.fields import settings_of
from resources.open_edx import OpenEdxResource


class StudioResource(OpenEdxResource[Studio | None]):
    """Hands out a client of Studio.

    None while settings are missing, and contract runs then stay pending. The settings are `B2B_STUDIO_URL`,
    `B2B_LMS_URL` and the OAuth client.
    """

    studio_url: str | None = Field(default=None, description="Base URL of Studio.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Studio | None, None, None]:
        with studio(settings_of(self)) as client:
            yield client
