"""The result for one customer's licenses.

Its messages name licenses but no person.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from b2b_pipelines.errors import B2BError, PermanentError, TransientError
from b2b_pipelines.licenses.rules import Decision, Verdict
from b2b_pipelines.vendors.http.errors import VendorUnavailable

ERROR_SHOWN = 2000
"""Characters of a failure that are shown in one piece."""


class LicensesFailed(PermanentError):
    """Some of a customer's licenses were not done, and asking again will not help.

    The message names them.
    """

    code = "licenses_failed"


class LicensesFailedForNow(TransientError):
    """Some of a customer's licenses were not done, and some of those may succeed on another try."""

    code = "licenses_failed_for_now"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A license that was retired upstream; its holder is erased from the database once unlinked."""

    license_uuid: UUID
    address: str = field(repr=False)
    lms_user_id: int | None = field(repr=False)


@dataclass
class Outcome:
    """The result of one step for one customer. Counts are licenses.

    `may_pass`: a retry can help some of the failures. `kinds`: the number of failed licenses by the vendor's status or
    by error code. `forgotten` serves only the confirmation that follows.
    """

    customer: UUID
    dry_run: bool = False
    done: int = 0
    failed: int = 0
    skipped: int = 0
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    decisions: Counter[Decision] = field(default_factory=Counter)
    requests: int = 0
    may_pass: bool = False
    kinds: Counter[str] = field(default_factory=Counter)
    forgotten: list[Forgotten] = field(default_factory=list, repr=False)

    @property
    def is_failure(self) -> bool:
        return bool(self.failed or self.errors)

    def fail(self, error: B2BError, verdicts: Sequence[Verdict]) -> None:
        """Record that these licenses were not done, and why."""
        if not verdicts:
            return
        self.failed += len(verdicts)
        self.may_pass |= isinstance(error, VendorUnavailable)
        self.kinds[str(getattr(error, "status", None) or error.code)] += len(verdicts)
        self.errors.append(f"{error.message} [{named(verdicts)}]")

    def raise_failures(self) -> None:
        """Raise `LicensesFailed` if anything failed.

        Raise `LicensesFailedForNow` instead when another try may help.
        """
        if self.is_failure:
            kinds = ", ".join(f"{number} × {kind}" for kind, number in self.kinds.most_common())
            message = f"{self.failed} licenses failed ({kinds}), {self.done} were done: {'; '.join(self.errors)}"
            raise (LicensesFailedForNow if self.may_pass else LicensesFailed)(message[:ERROR_SHOWN])


def named(verdicts: Sequence[Verdict]) -> str:
    """Return the uuids of the licenses, separated by commas."""
    return ", ".join(str(verdict.license_uuid) for verdict in verdicts)
