"""enterprise-catalog and the settings about academies, for assets."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from b2b_pipelines.academies.selection import Selection, read_selection
from b2b_pipelines.vendors.connections import enterprise_catalog
from b2b_pipelines.vendors.enterprise_catalog import EnterpriseCatalog
from resources.fields import settings_of


class EnterpriseCatalogResource(dg.ConfigurableResource[EnterpriseCatalog | None]):
    """Hands out `EnterpriseCatalog`, or None while its settings are missing."""

    enterprise_catalog_url: str | None = Field(default=None, description="Base URL of enterprise-catalog.")
    lms_url: str | None = Field(default=None, description="Base URL of the LMS.")
    oauth_client_id: str | None = Field(default=None, description="OAuth client of all Open edX services.")
    oauth_client_secret: str | None = Field(default=None, description="Secret of the OAuth client.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[EnterpriseCatalog | None, None, None]:
        with enterprise_catalog(settings_of(self)) as catalog:
            yield catalog


class AcademySelectionResource(dg.ConfigurableResource[Selection]):
    """Hands out `Selection`, read from the settings and the file of overrides."""

    def create_resource(self, context: dg.InitResourceContext) -> Selection:
        return read_selection(settings_of(self))
