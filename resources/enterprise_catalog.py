"""enterprise-catalog and what the settings say about academies, as assets get them."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.academies.selection import Selection, read_selection
from b2b_pipelines.settings import read_settings
from b2b_pipelines.vendors.enterprise_catalog import EnterpriseCatalog
from b2b_pipelines.vendors.open_edx import client_credentials


class EnterpriseCatalogResource(dg.ConfigurableResource[EnterpriseCatalog | None]):
    """Hands out `EnterpriseCatalog`, or None while its settings are missing."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[EnterpriseCatalog | None, None, None]:
        settings = read_settings()
        with client_credentials(settings) as credentials:
            if credentials is None or settings.enterprise_catalog_url is None:
                yield None
                return
            timeout = settings.lms_timeout_seconds
            with EnterpriseCatalog(settings.enterprise_catalog_url, credentials, timeout=timeout) as catalog:
                yield catalog


class AcademySelectionResource(dg.ConfigurableResource[Selection]):
    """Hands out `Selection`, read from the settings and the file of overrides."""

    def create_resource(self, context: dg.InitResourceContext) -> Selection:
        return read_selection(read_settings())
