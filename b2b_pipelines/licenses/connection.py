"""From settings to clients of the LMS and of license-manager; None while their settings are missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import EnterpriseLms, client_credentials


@contextmanager
def enterprise_lms(settings: Settings) -> Iterator[EnterpriseLms | None]:
    """The LMS, when `B2B_LMS_URL`, `B2B_OAUTH_CLIENT_ID` and `B2B_OAUTH_CLIENT_SECRET` are set."""
    with client_credentials(settings) as credentials:
        if credentials is None or settings.lms_url is None:
            yield None
            return
        client = EnterpriseLms(settings.lms_url, credentials, timeout=settings.lms_timeout_seconds)
        try:
            yield client
        finally:
            client.close()


@contextmanager
def license_manager(settings: Settings) -> Iterator[LicenseManager | None]:
    """License-manager, when `B2B_LICENSE_MANAGER_URL` and what signing in takes are set."""
    with client_credentials(settings) as credentials:
        if credentials is None or settings.license_manager_url is None:
            yield None
            return
        client = LicenseManager(settings.license_manager_url, credentials, timeout=settings.lms_timeout_seconds)
        try:
            yield client
        finally:
            client.close()
