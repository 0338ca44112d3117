"""The settings that point a product at a running sandbox."""

import json
from pathlib import Path

from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.pages.rendering import PROPOSED_CUSTOMER
from sandbox.server import Sandbox
from sandbox.stripe import API_KEY, WEBHOOK_SECRET


def sandbox_settings(running: Sandbox, home: Path) -> dict[str, str]:
    """Return the settings for every vendor; the key of Google's service account is written to `home`."""
    return google_settings(running, home) | {
        "B2B_STUDIO_URL": running.studio.url,
        "B2B_LMS_URL": running.lms.url,
        "B2B_LICENSE_MANAGER_URL": running.license_manager.url,
        "B2B_ENTERPRISE_CATALOG_URL": running.enterprise_catalog.url,
        "B2B_OAUTH_CLIENT_ID": CLIENT_ID,
        "B2B_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "B2B_ACADEMY_CUSTOMER": PROPOSED_CUSTOMER,
        "B2B_STRIPE_API_URL": running.stripe.url,
        "B2B_STRIPE_API_KEY": API_KEY,
        "B2B_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


def google_settings(running: Sandbox, home: Path) -> dict[str, str]:
    """Return the settings for Google alone."""
    key = home / "service-account.json"
    key.touch(mode=0o600)
    key.write_text(json.dumps(running.google.make_service_account(), indent=2), encoding="utf-8")
    key.chmod(0o600)
    return {
        "B2B_GOOGLE_SERVICE_ACCOUNT_FILE": str(key),
        "B2B_GOOGLE_SHEETS_URL": running.url,
        "B2B_GOOGLE_DRIVE_URL": running.url,
    }
