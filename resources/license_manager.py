"""License-manager, as assets get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.licenses.connection import license_manager
from b2b_pipelines.settings import read_settings
from b2b_pipelines.vendors.license_manager import LicenseManager


class LicenseManagerResource(dg.ConfigurableResource[LicenseManager | None]):
    """Hands out `LicenseManager`, or None while its settings are missing: then what files brought in stands."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[LicenseManager | None, None, None]:
        with license_manager(read_settings()) as manager:
            yield manager
