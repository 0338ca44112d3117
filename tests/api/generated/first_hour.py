"""A manager's first hour, by the client that openapi-python-client makes of the document. It runs in that client's venv.

What happens outside the API (the customer types into the sheet) is asked for in a line on stdout, and done when a line
arrives on stdin.
"""

import csv
import datetime
import io
import sys
from http import HTTPStatus
from typing import Any, TypeVar

from b2b_client import AuthenticatedClient
from b2b_client.api.codes import find_codes
from b2b_client.api.contracts import (
    get_contract,
    get_snapshot,
    list_changes,
    list_codes,
    list_contracts,
    list_snapshots,
)
from b2b_client.api.courseware import list_courses, list_runs
from b2b_client.api.learners import attach_learner, list_learners
from b2b_client.api.provisioning import (
    create_contract,
    create_organization,
    give_courseware,
    remove_learner,
    update_contract,
)
from b2b_client.api.set_up import get_set_up, plan_sheet, restore_sheet, retry_set_up, sync_sheet
from b2b_client.models import (
    ContractChangedBody,
    ContractIn,
    ContractInIntegrationType,
    ContractOut,
    ContractPatchIn,
    ContractWritten,
    CoursewareIn,
    CoursewareWritten,
    LearnerIn,
    OrganizationIn,
    OrganizationMade,
    PageChangeOut,
    PageCodeOut,
    PageContractOut,
    PageCourseOut,
    PageFoundCodeOut,
    PageRunOut,
    PageSeatOut,
    PageSnapshotOut,
    PartOutState,
    RestoreIn,
    RestoreOut,
    SeatWritten,
    SetUpOut,
    SnapshotDetail,
    SyncOut,
)
from b2b_client.types import Response

Expected = TypeVar("Expected")
CONTRACT = "leadership-2026"
SEATS = 3


def outside(deed: str) -> None:
    """Ask for a deed of the customer, and wait until it is done."""
    sys.stdout.write(f"{deed}\n")
    sys.stdout.flush()
    sys.stdin.readline()


def the(kind: type[Expected], answer: Response[Any], status: HTTPStatus = HTTPStatus.OK) -> Expected:
    """Return the body of an answer, which must be of that kind."""
    assert answer.status_code == status, answer.content
    assert isinstance(answer.parsed, kind), answer.content
    return answer.parsed


def make_the_contract(client: AuthenticatedClient, sheet: str) -> None:
    """Make the contract with two courses and a sheet; each request is sent twice, and is done once."""
    assert the(PageContractOut, list_contracts.sync_detailed(client=client)).count == 0
    acme = OrganizationIn(name="Acme Corporation", org_key="ACME")
    for _ in range(2):
        made = create_organization.sync_detailed(client=client, body=acme, idempotency_key="acme")
        assert the(OrganizationMade, made, HTTPStatus.CREATED).org_key == "ACME"
    terms = ContractIn(
        organization="ACME",
        name="Leadership 2026",
        integration_type=ContractInIntegrationType.NON_SSO,
        max_learners=SEATS,
        end=datetime.date(2999, 12, 31),
        sheet_url=sheet,
    )
    tried = the(ContractWritten, create_contract.sync_detailed(client=client, body=terms, dry_run=True))
    assert tried.dry_run is True
    assert the(PageContractOut, list_contracts.sync_detailed(client=client)).count == 0
    ids = set()
    for _ in range(2):
        answer = create_contract.sync_detailed(client=client, body=terms, idempotency_key="leadership")
        contract = the(ContractWritten, answer, HTTPStatus.CREATED)
        assert (contract.slug, contract.end) == (CONTRACT, terms.end)
        ids.add(contract.id)
    assert len(ids) == 1
    for course in the(PageCourseOut, list_courses.sync_detailed(client=client)).results:
        body = CoursewareIn(courseware_id=course.readable_id)
        given = the(CoursewareWritten, give_courseware.sync_detailed(CONTRACT, client=client, body=body))
        assert given.codes_changed.created == SEATS
    contract_now = the(ContractOut, get_contract.sync_detailed(CONTRACT, client=client))
    assert contract_now.codes == 2 * SEATS


def deliver(client: AuthenticatedClient) -> None:
    """Share the sheet, preview, and set up."""
    steps = the(SetUpOut, retry_set_up.sync_detailed(CONTRACT, client=client))
    assert (steps.sheet.state, steps.sheet.error_code) == (PartOutState.FAILED, "sheet_unshared")
    outside("share the sheet")
    plan = the(SyncOut, plan_sheet.sync_detailed(CONTRACT, client=client))
    assert (plan.header, plan.appended, plan.writes, plan.dry_run) == (True, SEATS, 0, True)
    steps = the(SetUpOut, retry_set_up.sync_detailed(CONTRACT, client=client))
    assert steps.sheet.state == steps.codes.state == PartOutState.DONE
    assert steps.runs.state.value == "done"
    assert the(SetUpOut, get_set_up.sync_detailed(CONTRACT, client=client)).sheet.state == PartOutState.DONE
    runs = the(PageRunOut, list_runs.sync_detailed(CONTRACT, client=client)).results
    assert all(run.product_id for run in runs)


def solve_conflicts(client: AuthenticatedClient) -> None:
    """Read what the customer typed over a code, and what to do about it; then it is done."""
    outside("type over A3")
    synced = the(SyncOut, sync_sheet.sync_detailed(CONTRACT, client=client))
    assert [(conflict.kind, conflict.row) for conflict in synced.conflicts] == [("unknown_code", 3)]
    newest = the(PageSnapshotOut, list_snapshots.sync_detailed(CONTRACT, client=client)).results[0]
    (conflict,) = the(SnapshotDetail, get_snapshot.sync_detailed(CONTRACT, newest.id, client=client)).conflicts
    assert (conflict.cell, conflict.holds) == ("A3", "Ann has this one")
    assert conflict.do.startswith("Empty the cells")
    assert conflict.url is not None
    assert conflict.url.endswith("range=A3")
    outside("empty row 3")
    assert the(SyncOut, sync_sheet.sync_detailed(CONTRACT, client=client)).conflicts == []


def lower_the_cap(client: AuthenticatedClient) -> None:
    """Ask what a lower cap takes away, be refused with what another manager changed, and lower it."""
    codes = the(PageCodeOut, list_codes.sync_detailed(CONTRACT, client=client)).results
    handed_out = next(code for code in codes if code.sheet_location is not None)
    jane = LearnerIn(email="jane@example.com", name="Jane")
    attached = attach_learner.sync_detailed(handed_out.code, client=client, body=jane)
    assert attached.status_code == HTTPStatus.CREATED, attached.content
    lower = ContractPatchIn(max_learners=1)
    would = the(ContractWritten, update_contract.sync_detailed(CONTRACT, client=client, body=lower, dry_run=True))
    assert (would.losses.handed_out, would.changed) == (SEATS - 1, ["max_learners"])
    assert "2 codes that were handed out stop working." in would.losses.messages
    seen = f'"{the(ContractOut, get_contract.sync_detailed(CONTRACT, client=client)).revision}"'
    other = ContractPatchIn(description="By another manager")
    the(ContractWritten, update_contract.sync_detailed(CONTRACT, client=client, body=other, if_match=seen))
    answer = update_contract.sync_detailed(CONTRACT, client=client, body=lower, if_match=seen)
    refused = the(ContractChangedBody, answer, HTTPStatus.PRECONDITION_FAILED)
    assert [change.fields["description"] for change in refused.changes] == [["", "By another manager"]]
    assert [change.who for change in refused.changes] == ["a manager"]
    now = f'"{refused.revision}"'
    lowered = the(ContractWritten, update_contract.sync_detailed(CONTRACT, client=client, body=lower, if_match=now))
    assert (lowered.max_learners, lowered.description) == (1, "By another manager")
    assert the(SyncOut, sync_sheet.sync_detailed(CONTRACT, client=client)).updated == SEATS


def restore(client: AuthenticatedClient) -> None:
    """Put back what the sheet held before the cap was lowered."""
    snapshots = the(PageSnapshotOut, list_snapshots.sync_detailed(CONTRACT, client=client)).results
    body = RestoreIn(snapshot=snapshots[1].id)
    would = the(RestoreOut, restore_sheet.sync_detailed(CONTRACT, client=client, body=body, dry_run=True))
    done = the(RestoreOut, restore_sheet.sync_detailed(CONTRACT, client=client, body=body))
    assert (would.writes, would.cells) == (0, done.cells)
    assert done.cells > 0


def find_the_learner(client: AuthenticatedClient) -> None:
    """Write the codes as CSV, find the learner by address, and take her seat."""
    codes = the(PageCodeOut, list_codes.sync_detailed(CONTRACT, client=client, page_size=1000)).results
    written = io.StringIO()
    csv.writer(written).writerows([code.code, code.product, code.active, code.attached_by] for code in codes)
    assert "jane@example.com" in written.getvalue()
    (found,) = the(PageFoundCodeOut, find_codes.sync_detailed(client=client, learner="Jane@Example.com")).results
    assert (found.contract, found.valid, found.reason.value) == (CONTRACT, False, "spent")
    (seat,) = the(PageSeatOut, list_learners.sync_detailed(CONTRACT, client=client, search="jane")).results
    removed = the(SeatWritten, remove_learner.sync_detailed(CONTRACT, seat.id, client=client))
    assert removed.result.value == "removed"
    changes = the(PageChangeOut, list_changes.sync_detailed(CONTRACT, client=client)).results
    assert {(change.who.kind.value, change.who.name) for change in changes} == {("token", "a manager")}
    assert [change.action.value for change in changes] == [
        "learner_removed",
        "sheet_restored",
        "changed",
        "changed",
        "courseware_given",
        "courseware_given",
        "created",
    ]


def main(url: str, token: str, sheet: str) -> None:
    """Live through the hour."""
    with AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True) as client:
        make_the_contract(client, sheet)
        deliver(client)
        solve_conflicts(client)
        lower_the_cap(client)
        restore(client)
        find_the_learner(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
