"""The LMS's enterprise endpoints, as assets get them."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.licenses.connection import enterprise_lms
from b2b_pipelines.settings import read_settings
from b2b_pipelines.vendors.open_edx import EnterpriseLms


class EnterpriseLmsResource(dg.ConfigurableResource[EnterpriseLms | None]):
    """Hands out `EnterpriseLms`, or None while its settings are missing."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[EnterpriseLms | None, None, None]:
        with enterprise_lms(read_settings()) as lms:
            yield lms
