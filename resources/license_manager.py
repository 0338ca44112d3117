"""License-manager, as assets get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from b2b_pipelines.vendors.connections import license_manager
from b2b_pipelines.vendors.license_manager import LicenseManager
from resources.fields import settings_of
from resources.open_edx import OpenEdxResource


class LicenseManagerResource(OpenEdxResource[LicenseManager | None]):
    """Hands out `LicenseManager`, or None while its settings are missing.

    Imported files are kept then.
    """

    license_manager_url: str | None = Field(default=None, description="Base URL of license-manager.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[LicenseManager | None, None, None]:
        with license_manager(settings_of(self)) as manager:
            yield manager
