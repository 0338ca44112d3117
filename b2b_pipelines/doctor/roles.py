"""Rights that the accounts of this installation need, service by service."""

from types import MappingProxyType

OPERATOR = "enterprise_openedx_operator"
STAFF = "Django staff"

ROLES = MappingProxyType(
    {
        "lms": f"the role {OPERATOR} for every customer, and {STAFF}",
        "studio": f"{STAFF}, with access to the organizations of the source runs and of the contract runs",
        "license_manager": f"the role {OPERATOR} for every customer",
        "enterprise_catalog": f"the role {OPERATOR} for catalogs, and none for academies",
        "google_sheets": "the Google Sheets API, enabled for the account's project",
        "stripe_prices": "a key that may read prices and products",
        "alerts": "",
        "openid_connect": "a client that may redirect to /sign-in/oidc/callback",
        "heartbeat": "",
    }
)
"""By capability, empty where no right is needed, as `b2b doctor` names it. `docs/operators.md` has the same table."""
