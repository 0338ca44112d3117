"""The decisions about expired licenses and their reasons. Pure: every time is an argument, and UTC.

`verdicts.decide` decides.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from b2b_pipelines.licenses.facts import Policy


class Decision(StrEnum):
    """The decision about an expired license; the first match in this order counts."""

    HELD = "held"
    RENEWED = "renewed"
    PLAN_RENEWAL_PENDING = "plan_renewal_pending"
    TERMINATE = "terminate"
    IN_GRACE = "in_grace"
    ALREADY_UNLINKED = "already_unlinked"
    NO_EMAIL = "no_email"
    REFUSED = "refused"
    PROTECTED = "protected"
    UNLINK_DISABLED = "unlink_disabled"
    UNLINK = "unlink"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision about one expired license.

    `witness` is the license or plan on which the decision rests. `moment` is the time that goes with the decision: the
    end of the witness's plan, the time of an earlier action, the date from which a held plan was moved, or the time when
    the renewal was gone. `since` is the start of the hold, or of the 24 hours without unlinking. `missing_since`, for
    `unlink` only, is the time since which a license that protected this one is missing upstream, within the last 24
    hours: the learner is not unlinked yet.
    """

    license_uuid: UUID
    plan_uuid: UUID
    customer: UUID
    expiration_date: datetime
    decision: Decision
    witness: UUID | None = None
    moment: datetime | None = None
    since: datetime | None = None
    retired: bool = False
    missing_since: datetime | None = None

    def reason(self, policy: Policy) -> str:
        """Return the reason, which names licenses and plans but no person."""
        return self._cause(policy) + self._missing(policy) + ("; retired upstream" if self.retired else "")

    def _missing(self, policy: Policy) -> str:
        if self.missing_since is None:
            return ""
        until = _iso(self.missing_since + policy.hold)
        return (
            f"; another license of the same person is missing upstream since {_iso(self.missing_since)}: "
            f"not unlinked before {until}"
        )

    def _cause(self, policy: Policy) -> str:
        moment, ended = _iso(self.moment), _iso(self.expiration_date)
        until = _iso(self.since + policy.hold) if self.since else ""
        match self.decision:
            case Decision.HELD:
                return (
                    f"the plan's expiration date was moved from {moment} to {ended}: held until {until}, "
                    f"or until `b2b licenses confirm {self.plan_uuid}`"
                )
            case Decision.RENEWED:
                return f"renewed to license {self.witness}, whose plan ends {moment}"
            case Decision.PLAN_RENEWAL_PENDING if self.witness:
                return f"the plan is renewed by plan {self.witness}, which ends {moment}"
            case Decision.PLAN_RENEWAL_PENDING:
                return "the renewal of the plan is not processed yet"
            case Decision.TERMINATE:
                return f"enrollments are not ended yet for the expiration of {ended}"
            case Decision.IN_GRACE:
                return self._rest(policy)
            case Decision.ALREADY_UNLINKED:
                return f"unlinked {moment}"
            case Decision.NO_EMAIL:
                return "the license has no e-mail address to unlink by"
            case Decision.REFUSED:
                return f"the LMS refused the address {moment}, and it has not changed since"
            case Decision.PROTECTED:
                return f"the same person holds license {self.witness}, whose plan ends {moment}"
            case Decision.UNLINK_DISABLED:
                return "the customer is not listed in B2B_UNLINK_CUSTOMERS"
            case Decision.UNLINK:
                return f"enrollments ended, and the grace ended {_iso(self.expiration_date + policy.grace)}"

    def _rest(self, policy: Policy) -> str:
        if self.since is None or self.expiration_date >= policy.cutoff:
            return f"enrollments ended; in grace through {_iso(self.expiration_date + policy.grace)}"
        cause = (
            f"the plan's renewal is no longer listed since {_iso(self.moment)}"
            if self.moment
            else f"enrollments ended {_iso(self.since)}"
        )
        return f"{cause}; not unlinked before {_iso(self.since + policy.hold)}"


def _iso(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment else ""
