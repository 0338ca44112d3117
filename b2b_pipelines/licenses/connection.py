"""Make clients of the LMS and of license-manager from the settings.

None while their settings are missing.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import EnterpriseLms, client_credentials

Client = TypeVar("Client", EnterpriseLms, LicenseManager)


def enterprise_lms(settings: Settings) -> AbstractContextManager[EnterpriseLms | None]:
    """Return the LMS; None unless its URL and the OAuth client are set."""
    return _client(EnterpriseLms, settings.lms_url, settings)


def license_manager(settings: Settings) -> AbstractContextManager[LicenseManager | None]:
    """Return license-manager.

    None unless `B2B_LICENSE_MANAGER_URL` and the LMS's sign-in are set.
    """
    return _client(LicenseManager, settings.license_manager_url, settings)


@contextmanager
def _client(kind: type[Client], url: str | None, settings: Settings) -> Iterator[Client | None]:
    with client_credentials(settings) as credentials:
        if credentials is None or url is None:
            yield None
            return
        client = kind(url, credentials, timeout=settings.lms_timeout_seconds)
        try:
            yield client
        finally:
            client.close()
