"""enterprise-catalog and the settings about academies, for assets."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from b2b_pipelines.academies.selection import Selection, read_selection
from b2b_pipelines.vendors.connections import enterprise_catalog
from b2b_pipelines.vendors.enterprise_catalog import EnterpriseCatalog
from resources.fields import settings_of
from resources.open_edx import OpenEdxResource


class EnterpriseCatalogResource(OpenEdxResource[EnterpriseCatalog | None]):
    """Hands out `EnterpriseCatalog`, or None while its settings are missing."""

    enterprise_catalog_url: str | None = Field(default=None, description="Base URL of enterprise-catalog.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[EnterpriseCatalog | None, None, None]:
        with enterprise_catalog(settings_of(self)) as catalog:
            yield catalog


class AcademySelectionResource(dg.ConfigurableResource[Selection]):
    """Hands out `Selection`, read from the settings and the file of overrides."""

    def create_resource(self, context: dg.InitResourceContext) -> Selection:
        return read_selection(settings_of(self))
