"""Open edX Studio, as assets get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.settings import read_settings
from b2b_pipelines.vendors.open_edx import client_credentials
from b2b_pipelines.vendors.studio import Studio


class StudioResource(dg.ConfigurableResource[Studio | None]):
    """Hands out a client of Studio; None, and contract runs stay pending, unless `B2B_STUDIO_URL`, `B2B_LMS_URL` and the
    OAuth client are set."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Studio | None, None, None]:
        settings = read_settings()
        with client_credentials(settings) as credentials:
            if credentials is None or settings.studio_url is None:
                yield None
                return
            with Studio(settings.studio_url, credentials, timeout=settings.lms_timeout_seconds) as studio:
                yield studio
