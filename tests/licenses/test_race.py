"""A license that becomes current while a run is under way protects its holder in that run."""

import json
import random
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses import service
from b2b_pipelines.licenses.facts import EventName, LicenseStatus, Policy
from b2b_pipelines.vendors.open_edx import EnterpriseLms
from sandbox.open_edx.lms import Unlinking
from sandbox.server import Sandbox
from tests.licenses.reference import HeldLicense, LicenseFacts, Plan

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LAPSED = NOW - timedelta(days=100)
CUSTOMER, PLAN, CURRENT = UUID(int=1), UUID(int=10), UUID(int=11)
PEOPLE, TIMINGS, NEWCOMERS = 230, 200, 5
SLOW = 0.02
POLICY = Policy(NOW, unlinking=frozenset({CUSTOMER}))


def address(number: int) -> str:
    return f"learner{number:04}@example.com"


def facts() -> LicenseFacts:
    plans = [Plan(PLAN, CUSTOMER, LAPSED), Plan(CURRENT, CUSTOMER, NOW + timedelta(days=100))]
    licenses = [
        HeldLicense(UUID(int=1000 + number), PLAN, LicenseStatus.ACTIVATED, address(number)) for number in range(PEOPLE)
    ]
    ended = {(each.uuid, EventName.TERMINATED, LAPSED): LAPSED for each in licenses}
    return LicenseFacts({plan.uuid: plan for plan in plans}, {each.uuid: each for each in licenses}, ended)


def write(path: Path, people: list[int]) -> None:
    path.write_text(
        json.dumps(
            [
                {
                    "uuid": str(UUID(int=5000 + number)),
                    "plan_uuid": str(CURRENT),
                    "status": "activated",
                    "user_email": address(number).upper(),
                }
                for number in people
            ]
        )
    )


class Importer:
    """Imports licenses in mid-run, and notes which requests the LMS had answered when they were committed."""

    def __init__(self, database: Database, sandbox: Sandbox, path: Path) -> None:
        self.database, self.sandbox, self.path = database, sandbox, path
        self.answered: list[Unlinking] = []

    def bring(self) -> None:
        with self.database.session() as session:
            service.import_files(session, None, self.path, NOW)
            # Here the customer's lock is held: no batch is under way before this transaction is committed.
            self.answered = list(self.sandbox.lms.unlinkings)


@pytest.mark.long
def test_nobody_is_unlinked_whose_new_license_was_committed_before_the_request(
    database: Database, put, patient_lms: EnterpriseLms, sandbox: Sandbox, tmp_path: Path
) -> None:
    dice = random.Random(13)
    there, path = facts(), tmp_path / "licenses.json"
    protected = too_late = 0
    for timing in range(TIMINGS):
        sandbox.reset()
        put(there)
        sandbox.lms.link(CUSTOMER, map(address, range(PEOPLE)))
        sandbox.faults.delay(SLOW, dice.choice(["before", "after"]), vendor="lms", kind="write", times=100)
        if timing % 10 == 0:  # one address is refused, so the batches are halved
            sandbox.lms.refused = {address(dice.randrange(PEOPLE))}
        people = sorted(dice.sample(range(PEOPLE), NEWCOMERS))
        write(path, people)
        importer = Importer(database, sandbox, path)
        timer = threading.Timer(dice.uniform(0, 0.25), importer.bring)
        timer.start()
        outcome = service.unlink(database, patient_lms, CUSTOMER, POLICY, run_id=f"timing {timing}")
        timer.join()
        later = sandbox.lms.unlinkings[len(importer.answered) :]
        sent_later = {each for unlinking in later for each in unlinking.addresses}
        newcomers = {address(number) for number in people}
        assert not newcomers & sent_later, f"timing {timing}: unlinked after the import was committed"
        linked = newcomers & sandbox.lms.linked(CUSTOMER)
        protected += len(linked)
        too_late += NEWCOMERS - len(linked)
        assert outcome.done + outcome.failed + outcome.skipped == PEOPLE
    assert protected > TIMINGS
    assert too_late > TIMINGS // 2, "the imports came before every batch: the race was not run"
