"""Open edX Studio, as assets get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.settings import read_settings
from b2b_pipelines.vendors.open_edx import ClientCredentials
from b2b_pipelines.vendors.studio import Studio


class StudioResource(dg.ConfigurableResource[Studio | None]):
    """Hands out a client of Studio; None, and contract runs stay pending, unless `B2B_STUDIO_URL`, `B2B_LMS_URL` and the
    OAuth client are set."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Studio | None, None, None]:
        settings = read_settings()
        if not (settings.studio_url and settings.lms_url and settings.oauth_client_id and settings.oauth_client_secret):
            yield None
            return
        secret = settings.oauth_client_secret.get_secret_value()
        timeout = settings.lms_timeout_seconds
        credentials = ClientCredentials(settings.lms_url, settings.oauth_client_id, secret, timeout=timeout)
        try:
            with Studio(settings.studio_url, credentials, timeout=timeout) as studio:
                yield studio
        finally:
            credentials.close()
