"""Users behind OAuth clients of Open edX: what the platform and the enterprise services let each of them do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

OPERATOR_ROLE = "enterprise_openedx_operator"
ADMIN_ROLE = "enterprise_admin"
LEARNER_ROLE = "enterprise_learner"
CATALOG_ADMIN_ROLE = "enterprise_catalog_admin"
PROVISIONING_ROLE = "enterprise_provisioning_admin"
EVERY_CUSTOMER = "*"


@dataclass(frozen=True)
class Caller:
    """A user. `roles` gives for each enterprise role the customer (a uuid) that it is held for, `*` for every one."""

    name: str
    is_staff: bool = False
    roles: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    email: str = "service@example.com"

    def holds(self, *roles: str) -> bool:
        """Return whether the user holds one of these roles, for whichever customer."""
        return any(role in self.roles for role in roles)

    def reaches(self, customer: str | None, *roles: str) -> bool:
        """Return whether the user holds one of these roles for that customer. None is a customer who is not known."""
        return any(self.roles.get(role) in {EVERY_CUSTOMER, customer} - {None} for role in roles)


OPERATOR = Caller("operator", is_staff=True, roles={OPERATOR_ROLE: EVERY_CUSTOMER})
"""The service user as the product needs it."""
OPERATOR_NOT_STAFF = Caller("operator-not-staff", roles={OPERATOR_ROLE: EVERY_CUSTOMER})
STAFF_WITHOUT_ROLE = Caller("staff-without-role", is_staff=True)
SUPERUSER_WITHOUT_ROLE = Caller("superuser-without-role", is_staff=True)
NO_ROLE = Caller("no-role")
CATALOG_ADMIN = Caller("catalog-admin", roles={CATALOG_ADMIN_ROLE: EVERY_CUSTOMER})
PROVISIONING_ADMIN = Caller("provisioning-admin", roles={PROVISIONING_ROLE: EVERY_CUSTOMER})


def admin_of(customer: str, name: str = "admin") -> Caller:
    """Return an administrator of one customer."""
    return Caller(name, roles={ADMIN_ROLE: customer})


def learner_of(customer: str, name: str = "learner") -> Caller:
    """Return a learner of one customer."""
    return Caller(name, roles={LEARNER_ROLE: customer})
