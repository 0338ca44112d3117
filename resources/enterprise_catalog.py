"""enterprise-catalog and what the settings say about academies, as assets get them."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.academies.selection import Selection, read_selection
from b2b_pipelines.settings import Settings, read_settings
from b2b_pipelines.vendors.enterprise_catalog import EnterpriseCatalog
from b2b_pipelines.vendors.open_edx import ClientCredentials


class EnterpriseCatalogResource(dg.ConfigurableResource[EnterpriseCatalog | None]):
    """Hands out `EnterpriseCatalog`, or None while its settings are missing."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[EnterpriseCatalog | None, None, None]:
        settings = read_settings()
        credentials = _credentials(settings)
        if credentials is None or settings.enterprise_catalog_url is None:
            yield None
            return
        timeout = settings.lms_timeout_seconds
        try:
            with EnterpriseCatalog(settings.enterprise_catalog_url, credentials, timeout=timeout) as catalog:
                yield catalog
        finally:
            credentials.close()


class AcademySelectionResource(dg.ConfigurableResource[Selection]):
    """Hands out `Selection`, read from the settings and the file of overrides."""

    def create_resource(self, context: dg.InitResourceContext) -> Selection:
        return read_selection(read_settings())


def _credentials(settings: Settings) -> ClientCredentials | None:
    if not settings.lms_url or not settings.oauth_client_id or not settings.oauth_client_secret:
        return None
    secret = settings.oauth_client_secret.get_secret_value()
    return ClientCredentials(settings.lms_url, settings.oauth_client_id, secret, timeout=settings.lms_timeout_seconds)
