"""Unlink the learners of licenses past their grace period.

100 addresses go out at a time, and the LMS is asked for the result.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.orm import Session

from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError, PermanentError
from b2b_pipelines.licenses import brakes, store
from b2b_pipelines.licenses.batches import batches, find_rejected
from b2b_pipelines.licenses.facts import EventName, Policy
from b2b_pipelines.licenses.identity import is_plausible, person_key
from b2b_pipelines.licenses.outcome import Forgotten, Outcome, named
from b2b_pipelines.licenses.rules import Decision, Verdict
from b2b_pipelines.licenses.verdicts import Decided
from b2b_pipelines.licenses.work import CUSTOMER_LOST, Work, decide_all, required, run_lock
from b2b_pipelines.vendors.http.counting import tallied_requests
from b2b_pipelines.vendors.http.errors import VENDOR_ERRORS, VendorRefused
from b2b_pipelines.vendors.open_edx import EnterpriseLms

MALFORMED = 400
"""The LMS's answer when one of the addresses is malformed: it then has unlinked none of them."""

KEPT = (Decision.HELD, Decision.NO_EMAIL, Decision.REFUSED, Decision.PROTECTED, Decision.UNLINK_DISABLED)
"""Past their grace, or held, and not unlinked."""


class RefusesEverything(PermanentError):
    """The LMS refuses one well-formed address after the other.

    The addresses are hardly the cause.
    """

    code = "refuses_everything"


class UnlinkedTooEarly(PermanentError):
    """A learner was unlinked before their enrollments were ended.

    No other learner is unlinked until a person resolves it.
    """

    code = "unlinked_too_early"


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address that is sent, as the license has it, and the licenses that it unlinks."""

    address: str
    rows: Sequence[Decided]

    @property
    def verdicts(self) -> list[Verdict]:
        return [row.verdict for row in self.rows]


@dataclass(frozen=True)
class Due:
    """The learners to unlink, by address without case, and the licenses kept.

    The kept ones have the decision `unlink` too.
    """

    recipients: Mapping[str, Recipient]
    kept_for_protected: Sequence[Verdict]
    kept_for_others: Sequence[Verdict]


def unlink(
    database: Database, lms: EnterpriseLms | None, customer: UUID, policy: Policy, *, run_id: str, dry_run: bool = False
) -> Outcome:
    """Unlink the learners whose licenses' decision is `unlink` from the customer.

    An address that the LMS refuses when it is sent alone is reported and kept; the others are unlinked. Raises like
    `terminate`, and `UnlinkedTooEarly`, which a dry run reports in its notes instead.
    """
    if dry_run:
        with database.session() as session:
            outcome, due = _to_unlink(session, customer, policy)
            would = sum(len(each.rows) for each in due.recipients.values())
            if would and (early := _unlinked_too_early(session, customer)):
                outcome.notes.append(early)
                outcome.skipped, would = outcome.skipped + would, 0
        return replace(outcome, dry_run=True, done=would)
    with run_lock(database, customer, run_id), tallied_requests() as tally:
        with database.session() as session:
            brakes.require_right_clock(session)
            outcome, due = _to_unlink(session, customer, policy)
            if due.recipients and (early := _unlinked_too_early(session, customer)):
                raise UnlinkedTooEarly(early)
        if due.recipients:
            _Unlinking(Work(database, required(lms), policy, outcome, run_id), due.recipients).run()
    return replace(outcome, requests=tally.total)


@dataclass
class _Unlinking:
    """Unlinks one customer's learners.

    `settled` are the addresses that need no other request, `refused` those that the LMS refused alone, with its
    message.
    """

    work: Work
    recipients: Mapping[str, Recipient]
    settled: set[str] = field(default_factory=set)
    unlinked: bool = False
    refused: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        waiting = batches(sorted(self.recipients))
        while waiting:
            batch = waiting.pop(0)
            try:
                if not self._accepts(batch):
                    find_rejected(batch, self._accepts)
            except VENDOR_ERRORS as error:
                self._fail(error, [key for key in batch if key not in self.settled | self.refused.keys()])
                if isinstance(error, VendorRefused) and error.status in CUSTOMER_LOST:
                    self._fail(error, [key for rest in waiting for key in rest])
                    waiting.clear()
            self._settle_refused()
            if len(self.refused) > 1 and waiting:
                stopped = RefusesEverything("the LMS refuses every address it is sent: is it the LMS of this version?")
                self._fail(stopped, [key for rest in waiting for key in rest])
                waiting.clear()
        for key, message in self.refused.items():
            self._report(key, message)

    def _accepts(self, keys: Sequence[str]) -> bool:
        """Send the addresses that are still due, and record them once the LMS has answered 200."""
        licenses = [verdict.license_uuid for key in keys for verdict in self.recipients[key].verdicts]
        with self.work.batch(licenses) as (held, decided):
            due = due_to_unlink(decided).recipients
            now = {key: due[key] for key in keys if key in due}
            dropped = [key for key in keys if key not in now and key not in self.settled]
            if now:
                held.confirm()
                try:
                    self.work.lms.unlink(self.work.outcome.customer, [each.address for each in now.values()])
                except VendorRefused as error:
                    if error.status != MALFORMED:
                        raise
                    if len(now) == 1:
                        self.refused |= dict.fromkeys(now, error.words)
                    return False
                self._record([row for each in now.values() for row in each.rows])
                self.unlinked = True
        self.work.outcome.skipped += len(self._verdicts(dropped))
        self.settled.update(keys)
        return True

    def _record(self, rows: Sequence[Decided]) -> None:
        verdicts = [row.verdict for row in rows]
        with self.work.database.session() as session:
            store.record_events(session, EventName.UNLINKED, verdicts, run_id=self.work.run_id, at=self.work.now)
            if any(verdict.retired for verdict in verdicts):
                brakes.forget_retired(session, self.work.outcome.customer)
        self.work.outcome.done += len(verdicts)
        self.work.outcome.forgotten += [
            Forgotten(row.verdict.license_uuid, row.address.strip(), row.lms_user_id)
            for row in rows
            if row.verdict.retired and row.address
        ]

    def _settle_refused(self) -> None:
        """Record the refused addresses, unless the LMS may refuse every address.

        Then they are reported only, and retried in the next run.
        """
        settled = {key: message for key, message in self.refused.items() if self.unlinked or not is_plausible(key)}
        with self.work.database.session() as session:
            store.record_refusals(
                session, self.work.outcome.customer, settled, run_id=self.work.run_id, at=self.work.now
            )
        for key, message in settled.items():
            self._report(key, message)
            del self.refused[key]
            self.settled.add(key)

    def _report(self, key: str, message: str) -> None:
        verdicts = self.recipients[key].verdicts
        self.work.outcome.failed += len(verdicts)
        self.work.outcome.kinds["refused address"] += len(verdicts)
        self.work.outcome.errors.append(f"the LMS refuses the address of license {named(verdicts)}: {message}")

    def _fail(self, error: B2BError, keys: Sequence[str]) -> None:
        self.work.outcome.fail(error, self._verdicts(keys))

    def _verdicts(self, keys: Sequence[str]) -> list[Verdict]:
        return [verdict for key in keys for verdict in self.recipients[key].verdicts]


def due_to_unlink(decided: Sequence[Decided]) -> Due:
    """Return the learners to unlink.

    A person is kept while another license of the same person is protected, held, renewed, due for termination, was just
    terminated, or is missing upstream since just now, because the LMS knows one person by all their licenses.
    """
    protected = _people([row for row in decided if row.verdict.decision is Decision.PROTECTED])
    keeping = [row for row in decided if _keeps_its_holder(row.verdict)]
    others = _people(keeping, linked_by_user=decided)
    rows: dict[str, list[Decided]] = defaultdict(list)
    kept_for_protected: list[Verdict] = []
    kept_for_others: list[Verdict] = []
    for row in decided:
        if row.verdict.decision is not Decision.UNLINK or row.email_key is None or row.address is None:
            continue
        if person_key(row.address) in protected:
            kept_for_protected.append(row.verdict)
        elif person_key(row.address) in others:
            kept_for_others.append(row.verdict)
        else:
            rows[row.email_key].append(row)
    recipients = {key: Recipient((some[0].address or key).strip(), some) for key, some in rows.items()}
    return Due(recipients, kept_for_protected, kept_for_others)


def _keeps_its_holder(verdict: Verdict) -> bool:
    match verdict.decision:
        case Decision.HELD | Decision.RENEWED | Decision.PLAN_RENEWAL_PENDING | Decision.TERMINATE:
            return True
        case Decision.IN_GRACE:
            return verdict.since is not None
        case Decision.UNLINK:
            return verdict.missing_since is not None
        case _:
            return False


def _people(rows: Sequence[Decided], *, linked_by_user: Sequence[Decided] = ()) -> set[str]:
    """Return the keys of the people who hold these licenses.

    They come from addresses, or from another license of the same LMS user.
    """
    users = {row.lms_user_id for row in rows} - {None}
    linked = [row for row in linked_by_user if row.lms_user_id in users]
    return {key for row in [*rows, *linked] if (key := person_key(row.address))}


def _to_unlink(session: Session, customer: UUID, policy: Policy) -> tuple[Outcome, Due]:
    """Return the outcome, with the kept licenses and the reasons, and the licenses to unlink."""
    outcome, decided = decide_all(session, customer, policy)
    due = due_to_unlink(decided)
    unended = [
        row.verdict
        for row in decided
        if row.verdict.decision is Decision.TERMINATE and row.verdict.expiration_date < policy.cutoff
    ]
    outcome.skipped = (
        len(due.kept_for_protected)
        + len(due.kept_for_others)
        + len(unended)
        + sum(outcome.decisions[decision] for decision in KEPT)
    )
    if unended:
        outcome.notes.append(
            f"{len(unended)} licenses are past their grace, but their enrollments are not ended: materialize "
            f"enrollment_terminations or run `b2b licenses terminate` first [{named(unended)}]"
        )
    if due.kept_for_protected:
        outcome.notes.append(
            f"a protected license has the same address as these, which are kept [{named(due.kept_for_protected)}]"
        )
    if due.kept_for_others:
        outcome.notes.append(
            "another license of the same person is held, renewed or missing upstream since just now, or its enrollments are "
            "not ended or were ended just now, so these are kept: if it is to be terminated, materialize "
            f"enrollment_terminations or run `b2b licenses terminate` [{named(due.kept_for_others)}]"
        )
    if due.recipients and (unknown := store.with_unknown_holders(session, customer, policy)):
        outcome.notes.append(
            "license-manager counts more licenses than it lists in these plans, so any learner may hold one, and no "
            f"learner is unlinked before the next complete reading [{', '.join(map(str, unknown[:20]))}]"
        )
        outcome.skipped += sum(len(each.rows) for each in due.recipients.values())
        due = replace(due, recipients={})
    return outcome, due


def _unlinked_too_early(session: Session, customer: UUID) -> str:
    """Return why unlinking stops, naming licenses.

    Empty when every unlinking followed a termination.
    """
    found = store.unlinked_too_early(session, customer)
    listed = ", ".join(map(str, found[:20]))
    why = "a learner was unlinked before their enrollments were ended; no other is until that is understood"
    return f"{why} (see the check terminated_before_unlinked) [{listed}]" if found else ""
