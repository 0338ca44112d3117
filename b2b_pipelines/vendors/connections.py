"""The client of each vendor from the settings; None while its settings are missing.

Google Sheets is not among them, because its pace is kept in the database (`sheets.connection`).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.enterprise_catalog import EnterpriseCatalog
from b2b_pipelines.vendors.http.client import Patience
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import ClientCredentials, EnterpriseLms
from b2b_pipelines.vendors.stripe import Stripe
from b2b_pipelines.vendors.studio import Studio

Client = TypeVar("Client", EnterpriseCatalog, EnterpriseLms, LicenseManager)


@contextmanager
def client_credentials(settings: Settings, patience: Patience | None = None) -> Iterator[ClientCredentials | None]:
    """Yield the sign-in to every Open edX service; None while one of its settings is missing.

    The settings are `B2B_LMS_URL`, `B2B_OAUTH_CLIENT_ID` and `B2B_OAUTH_CLIENT_SECRET`.
    """
    if not (settings.lms_url and settings.oauth_client_id and settings.oauth_client_secret):
        yield None
        return
    secret = settings.oauth_client_secret.get_secret_value()
    with ClientCredentials(
        settings.lms_url,
        settings.oauth_client_id,
        secret,
        timeout=settings.lms_timeout_seconds,
        patience=patience,
    ) as credentials:
        yield credentials


def enterprise_lms(settings: Settings) -> AbstractContextManager[EnterpriseLms | None]:
    """Return the LMS's enterprise endpoints."""
    return _signed_in(EnterpriseLms, settings.lms_url, settings)


def license_manager(settings: Settings) -> AbstractContextManager[LicenseManager | None]:
    """Return license-manager, of `B2B_LICENSE_MANAGER_URL`."""
    return _signed_in(LicenseManager, settings.license_manager_url, settings)


def enterprise_catalog(settings: Settings) -> AbstractContextManager[EnterpriseCatalog | None]:
    """Return enterprise-catalog, of `B2B_ENTERPRISE_CATALOG_URL`."""
    return _signed_in(EnterpriseCatalog, settings.enterprise_catalog_url, settings)


@contextmanager
def studio(settings: Settings, patience: Patience | None = None) -> Iterator[Studio | None]:
    """Yield Studio, of `B2B_STUDIO_URL`."""
    with client_credentials(settings) as credentials:
        if credentials is None or settings.studio_url is None:
            yield None
            return
        timeout = settings.lms_timeout_seconds
        with Studio(settings.studio_url, credentials, timeout=timeout, patience=patience) as client:
            yield client


@contextmanager
def stripe(settings: Settings) -> Iterator[Stripe | None]:
    """Yield Stripe, of `B2B_STRIPE_API_KEY`."""
    if settings.stripe_api_key is None:
        yield None
        return
    with Stripe(settings.stripe_api_key.get_secret_value(), base_url=settings.stripe_api_url) as client:
        yield client


@contextmanager
def _signed_in(kind: type[Client], url: str | None, settings: Settings) -> Iterator[Client | None]:
    with client_credentials(settings) as credentials:
        if credentials is None or url is None:
            yield None
            return
        with kind(url, credentials, timeout=settings.lms_timeout_seconds) as client:
            yield client
