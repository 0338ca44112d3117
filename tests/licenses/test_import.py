"""Files of plans and licenses: all or nothing, again without a change, and never undoing what we did."""

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.licenses import service, store, verdicts
from b2b_pipelines.licenses.facts import EventName, Policy
from b2b_pipelines.licenses.models import CustomerAgreement, License, LicenseEvent, PlanRenewal, SubscriptionPlan
from b2b_pipelines.licenses.rules import Decision
from b2b_pipelines.licenses.service import Imported
from b2b_pipelines.licenses.staging import Merged
from tests.statements import statements

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CUSTOMER = "11111111-1111-4111-8111-111111111111"
PLAN, RENEWED = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
OTHER = "aaaaaaaa-0000-4000-8000-000000000003"
SEAT, SECOND = "bbbbbbbb-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"

Row = Mapping[str, object]


def plan_row(uuid: str = PLAN, **fields: object) -> Row:
    return {
        "uuid": uuid,
        "enterprise_customer_uuid": CUSTOMER,
        "customer_name": "Acme",
        "title": f"Plan {uuid[-4:]}",
        "start_date": "2025-01-01T00:00:00Z",
        "expiration_date": "2026-01-01T00:00:00+00:00",
        **fields,
    }


def license_row(uuid: str = SEAT, **fields: object) -> Row:
    return {"uuid": uuid, "plan_uuid": PLAN, "status": "activated", "user_email": "Jane@Example.com", **fields}


class Files:
    """Writes files and imports them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder

    def bring(
        self, plans: Sequence[Row] | None = None, licenses: Sequence[Row] | None = None, form: str = "csv"
    ) -> Imported:
        paths = [
            self.write(name, rows, form) if rows is not None else None
            for name, rows in (("plans", plans), ("licenses", licenses))
        ]
        with self.database.session() as session:
            return service.import_files(session, *paths, NOW)

    def write(self, name: str, rows: Sequence[Row], form: str) -> Path:
        path = self.folder / f"{name}.{form}"
        if form == "json":
            path.write_text(json.dumps(rows), "utf-8")
            return path
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def decisions(self, now: datetime = NOW) -> dict[str, Decision]:
        with self.database.session() as session:
            decided = verdicts.decide(
                session, Policy(now, unlinking=frozenset({UUID(CUSTOMER)}), hold=timedelta(0))
            ).decided
        return {str(row.verdict.license_uuid): row.verdict.decision for row in decided}


@pytest.fixture
def files(database: Database, tmp_path: Path) -> Files:
    return Files(database, tmp_path)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_second_import_changes_nothing(files: Files, form: str) -> None:
    plans = [plan_row(), plan_row(RENEWED, expiration_date="2027-01-01T00:00:00Z")]
    licenses = [license_row(renewed_to=SECOND), license_row(SECOND, plan_uuid=RENEWED)]
    first = files.bring(plans, licenses, form)
    assert (first.plans, first.licenses) == (Merged(created=2), Merged(created=2))
    again = files.bring(plans, licenses, form)
    assert (again.plans, again.licenses) == (Merged(unchanged=2), Merged(unchanged=2))


def test_everything_of_a_row_arrives(files: Files) -> None:
    renewal = {
        "renewed_plan_uuid": RENEWED,
        "renewal_effective_date": "2026-01-01T00:00:00Z",
        "renewal_processed": "false",
    }
    seat = {
        "lms_user_id": "42",
        "assigned_date": "2025-02-01T10:00:00+02:00",
        "activation_date": "2025-02-02T00:00:00Z",
        "revoked_date": "2025-02-03T00:00:00.000001Z",
    }
    files.bring(
        [plan_row(is_active="no", for_internal_use_only="TRUE", **renewal), plan_row(RENEWED)], [license_row(**seat)]
    )
    with files.database.session() as session:
        agreement = session.scalars(select(CustomerAgreement)).one()
        assert (str(agreement.enterprise_customer_uuid), agreement.name) == (CUSTOMER, "Acme")
        plan = session.get_one(SubscriptionPlan, UUID(PLAN))
        assert (plan.is_active, plan.for_internal_use_only, plan.expiration_date) == (
            False,
            True,
            datetime(2026, 1, 1, tzinfo=UTC),
        )
        found = session.scalars(select(PlanRenewal)).one()
        assert (found.renewed_plan_uuid, found.processed, found.effective_date) == (
            UUID(RENEWED),
            False,
            plan.expiration_date,
        )
        held = session.get_one(License, UUID(SEAT))
        assert (held.user_email, held.email_key, held.lms_user_id) == ("Jane@Example.com", "jane@example.com", 42)
        assert held.assigned_date == datetime(2025, 2, 1, 8, tzinfo=UTC)
        assert held.revoked_date == datetime(2025, 2, 3, microsecond=1, tzinfo=UTC)


def test_a_renewal_is_processed_when_its_plan_is_named_and_pending_until_then(files: Files) -> None:
    files.bring([plan_row(renewal_effective_date="2026-05-20T00:00:00Z")], [license_row()])
    assert files.decisions() == {SEAT: Decision.PLAN_RENEWAL_PENDING}
    files.bring([plan_row(renewed_plan_uuid=RENEWED), plan_row(RENEWED, start_date="2024-01-01T00:00:00Z")])
    assert files.decisions() == {SEAT: Decision.TERMINATE}
    files.bring([plan_row(renewed_plan_uuid="", renewal_effective_date="")])
    with files.database.session() as session:
        assert session.scalar(select(func.count()).select_from(PlanRenewal)) == 0


def test_fields_that_a_file_omits_keep_their_stored_value(files: Files) -> None:
    files.bring(
        [plan_row(for_internal_use_only="true", renewed_plan_uuid=RENEWED), plan_row(RENEWED)],
        [license_row(lms_user_id=5)],
    )
    files.bring([plan_row(title="New title")], [{"uuid": SEAT, "plan_uuid": PLAN, "status": "revoked"}])
    with files.database.session() as session:
        plan = session.get_one(SubscriptionPlan, UUID(PLAN))
        assert (plan.title, plan.for_internal_use_only) == ("New title", True)
        assert session.scalars(select(PlanRenewal)).one().renewed_plan_uuid == UUID(RENEWED)
        held = session.get_one(License, UUID(SEAT))
        assert (held.status, held.lms_user_id, held.email_key) == ("revoked", 5, "jane@example.com")


RENEWAL = {
    "renewed_plan_uuid": RENEWED,
    "renewal_effective_date": "2026-01-01T00:00:00Z",
    "renewal_processed": "false",
}
DATE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "known"),
    [
        pytest.param({"renewed_plan_uuid": RENEWED}, (RENEWED, DATE, False), id="the-same-plan"),
        pytest.param(
            {"renewed_plan_uuid": OTHER}, (OTHER, DATE, True), id="another-plan-is-processed-when-it-is-named"
        ),
        pytest.param({"renewed_plan_uuid": ""}, (None, DATE, False), id="no-plan-any-more"),
        pytest.param({"renewal_effective_date": ""}, (RENEWED, None, False), id="no-date-any-more"),
        pytest.param({"renewal_processed": "true"}, (RENEWED, DATE, True), id="processed-since"),
        pytest.param(
            {"renewal_processed": ""}, (RENEWED, DATE, True), id="an-empty-value-is-what-it-is-when-a-plan-is-named"
        ),
        pytest.param({"renewed_plan_uuid": "", "renewal_effective_date": ""}, None, id="no-renewal-any-more"),
    ],
)
def test_a_file_with_some_columns_of_a_renewal_keeps_the_others(
    files: Files, said: Row, known: tuple[str | None, datetime | None, bool] | None
) -> None:
    others = [plan_row(RENEWED), plan_row(OTHER)]
    files.bring([plan_row(**RENEWAL), *others])
    files.bring([plan_row(**said)])
    with files.database.session() as session:
        found = [
            (each.renewed_plan_uuid and str(each.renewed_plan_uuid), each.effective_date, each.processed)
            for each in session.scalars(select(PlanRenewal))
        ]
    assert found == ([known] if known else [])


def test_fields_that_a_record_omits_are_kept_though_another_record_has_them(files: Files) -> None:
    full_plan = plan_row(for_internal_use_only="true", expiration_processed=True, is_active=False, **RENEWAL)
    full_license = license_row(
        lms_user_id=5,
        assigned_date="2025-02-01T00:00:00Z",
        activation_date="2025-02-02T00:00:00Z",
        revoked_date="2025-02-03T00:00:00Z",
        renewed_to=SECOND,
    )
    files.bring([full_plan, plan_row(RENEWED)], [full_license, license_row(SECOND)], "json")

    def known() -> tuple[object, ...]:
        with files.database.session() as session:
            plan, renewal = session.get_one(SubscriptionPlan, UUID(PLAN)), session.get_one(PlanRenewal, UUID(PLAN))
            held = session.get_one(License, UUID(SEAT))
            return tuple(
                {name: value for name, value in vars(each).items() if name[0] != "_"} for each in (plan, renewal, held)
            )

    before = known()
    bare = {name: full_license[name] for name in ("uuid", "plan_uuid", "status")}
    others = {"renewed_plan_uuid": None, "renewal_processed": None, "renewal_effective_date": None}
    other_plan = plan_row(RENEWED, for_internal_use_only=True, expiration_processed=True, is_active=True, **others)
    again = files.bring([plan_row(), other_plan], [bare, {**full_license, "uuid": SECOND, "renewed_to": None}], "json")
    assert known() == before
    assert again.licenses == Merged(updated=1, unchanged=1)


def test_an_empty_value_is_none(files: Files) -> None:
    files.bring([plan_row()], [license_row(lms_user_id=5)])
    assert files.bring(None, [license_row(user_email="", lms_user_id="")]).licenses == Merged(updated=1)
    with files.database.session() as session:
        held = session.get_one(License, UUID(SEAT))
        assert (held.user_email, held.email_key, held.lms_user_id) == (None, None, None)


def test_licenses_can_come_after_their_plans(files: Files) -> None:
    files.bring([plan_row()])
    assert files.bring(None, [license_row()]).licenses == Merged(created=1)


def test_a_malformed_address_comes_in_as_it_is(files: Files) -> None:
    files.bring([plan_row()], [license_row(user_email="not an address")])
    with files.database.session() as session:
        assert session.get_one(License, UUID(SEAT)).user_email == "not an address"


def test_titles_may_pass_from_plan_to_plan(files: Files) -> None:
    files.bring([plan_row(title="A"), plan_row(RENEWED, title="B")])
    files.bring([plan_row(title="B"), plan_row(RENEWED, title="A")])
    third = PLAN.replace("0001", "0003")
    assert files.bring([plan_row(title="C"), plan_row(third, title="B")]).plans == Merged(created=1, updated=1)


FAULTY_PLANS = [
    pytest.param({"uuid": "x"}, "line 3: uuid is not a UUID", id="uuid"),
    pytest.param({"uuid": ""}, "line 3: uuid is missing", id="no-uuid"),
    pytest.param({"uuid": PLAN}, "line 3: the uuid comes twice", id="twice"),
    pytest.param({"start_date": "2025-01-01"}, "line 3: start_date is not an ISO 8601 time with a zone", id="no-zone"),
    pytest.param({"expiration_date": "soon"}, "line 3: expiration_date is not an ISO 8601 time", id="no-time"),
    pytest.param(
        {"expiration_date": "2025-01-01T00:00:00Z"}, "line 3: start_date is not before expiration_date", id="no-length"
    ),
    pytest.param({"is_active": "perhaps"}, "line 3: is_active is neither true nor false", id="no-flag"),
    pytest.param({"title": "Plan 0001"}, "line 3: another plan of the customer has the same title", id="title"),
    pytest.param({"renewed_plan_uuid": RENEWED}, "line 3: renewed_plan_uuid is the plan itself", id="renews-itself"),
    pytest.param({"title": "é" * 10_000}, "line 3: title is longer than 1500 bytes", id="title-too-long"),
    pytest.param({"renewed_plan_uuid": SEAT}, "line 3: renewed_plan_uuid names no plan", id="renewed-by-nothing"),
    pytest.param({"renewed_plan_uuid": PLAN}, "line 3: its renewals come round to the plan itself", id="cycle"),
]


@pytest.mark.parametrize(("fields", "message"), FAULTY_PLANS)
def test_a_faulty_plan_is_named_and_nothing_comes_in(files: Files, fields: Row, message: str) -> None:
    first = plan_row(renewed_plan_uuid=RENEWED if "renewals" in message else "")
    second = {**plan_row(RENEWED, is_active="true"), **fields}
    with pytest.raises(InvalidInput) as raised:
        files.bring([first, second], [license_row(plan_uuid=PLAN)])
    assert f"plans.csv {message}" in raised.value.message
    with files.database.session() as session:
        assert session.scalar(select(func.count()).select_from(SubscriptionPlan)) == 0
        assert session.scalar(select(func.count()).select_from(CustomerAgreement)) == 0


FAULTY_LICENSES = [
    pytest.param({"uuid": "12"}, "uuid is not a UUID", id="uuid"),
    pytest.param({"status": "on"}, "status is not one of unassigned, assigned, activated, revoked", id="status"),
    pytest.param({"plan_uuid": SEAT}, "plan_uuid names no plan, neither in the file nor known", id="plan"),
    pytest.param({"lms_user_id": "-1"}, "lms_user_id is not a positive whole number", id="user"),
    pytest.param({"lms_user_id": "9" * 30}, "lms_user_id is not a positive whole number", id="user-too-large"),
    pytest.param({"renewed_to": SECOND}, "renewed_to is the license itself", id="renewed-to-itself"),
    pytest.param({"renewed_to": PLAN}, "renewed_to names no license", id="renewed-to-nothing"),
    pytest.param({"uuid": SEAT}, "the uuid comes twice", id="twice"),
    pytest.param({"user_email": f"{'a' * 20_000}@b.c"}, "user_email is longer than 1500 bytes", id="too-long"),
    pytest.param({"activation_date": "2025-13-01T00:00:00Z"}, "activation_date is not an ISO 8601 time", id="time"),
]


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize(("fields", "message"), FAULTY_LICENSES)
def test_a_faulty_license_is_named_and_nothing_comes_in(files: Files, fields: Row, message: str, form: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        files.bring([plan_row()], [license_row(), {**license_row(SECOND), **fields}], form)
    place = "line 3" if form == "csv" else "record 2"
    assert f"licenses.{form} {place}: {message}" in raised.value.message
    assert "jane" not in raised.value.message.lower()
    with files.database.session() as session:
        assert session.scalar(select(func.count()).select_from(SubscriptionPlan)) == 0


def test_every_fault_of_both_files_is_listed_and_none_is_blamed_on_another(files: Files) -> None:
    bad_plan = plan_row(start_date="x")
    licenses = [license_row(), license_row(SECOND, status="?", lms_user_id="?")]
    with pytest.raises(InvalidInput) as raised:
        files.bring([bad_plan], licenses)
    assert raised.value.message.count("plans.csv") == 1
    assert raised.value.message.count("licenses.csv line 3") == 2
    assert "names no plan" not in raised.value.message


def test_a_faulty_record_is_asked_about_everything_that_can_be_read(files: Files) -> None:
    plans = [plan_row(), plan_row(RENEWED, title="Plan 0001", is_active="perhaps", renewed_plan_uuid=SEAT)]
    licenses = [license_row(), license_row("x", plan_uuid=SECOND), license_row(SECOND, status="?", renewed_to=OTHER)]
    with pytest.raises(InvalidInput) as raised:
        files.bring(plans, licenses)
    message = raised.value.message.removesuffix(" (nothing was imported)")
    assert [fault.split(", ")[0] for fault in message.split("; ")] == [
        "plans.csv line 3: another plan of the customer has the same title",
        "plans.csv line 3: is_active is neither true nor false",
        "plans.csv line 3: renewed_plan_uuid names no plan",
        "licenses.csv line 3: plan_uuid names no plan",
        "licenses.csv line 3: uuid is not a UUID",
        "licenses.csv line 4: renewed_to names no license",
        "licenses.csv line 4: status is not one of unassigned",
    ]


def test_a_line_is_where_its_record_begins(files: Files) -> None:
    (files.folder / "licenses.csv").write_text(
        f'uuid,plan_uuid,status,user_email\n\n{SEAT},{PLAN},activated,"a\nb"\nx,{PLAN},on,\n'
    )
    files.bring([plan_row()])
    with files.database.session() as session, pytest.raises(InvalidInput) as raised:
        service.import_files(session, None, files.folder / "licenses.csv", NOW)
    assert "line 5: uuid" in raised.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "has no uuid, enterprise_customer_uuid, title", id="empty"),
        pytest.param(b"uuid;title\n", "is separated by semicolons", id="semicolons"),
        pytest.param(b"uuid,uuid\n", "has a column twice", id="twice"),
        pytest.param(b"\xff\xfe\x00", "is not a text file in UTF-8", id="utf-16"),
        pytest.param(b"uuid\n\xff", "is not a text file in UTF-8", id="latin-1-later"),
        pytest.param(b"[{", "is not JSON", id="half-a-json"),
        pytest.param(b'{"a": 1}', "must hold a list of objects", id="an-object"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "is not JSON: maximum recursion depth", id="nested-too-deep"),
        pytest.param(b"[1]", "record 1: is not an object", id="a-number"),
        pytest.param(b"[{}]", "record 1: uuid is missing", id="nothing-in-it"),
    ],
)
def test_what_is_no_such_file_is_refused_in_one_line(files: Files, content: bytes, message: str) -> None:
    path = files.folder / "plans.csv"
    path.write_bytes(content)
    with files.database.session() as session, pytest.raises(InvalidInput) as raised:
        service.import_files(session, path, None, NOW)
    assert message in raised.value.message


def test_a_missing_file_and_a_folder_are_refused(files: Files) -> None:
    for path in (files.folder / "none.csv", files.folder):
        with files.database.session() as session, pytest.raises(InvalidInput):
            service.import_files(session, path, None, NOW)


def test_the_longest_addresses_that_are_taken_fit_into_their_index(files: Files) -> None:
    rows = [license_row(str(UUID(int=n)), user_email="".join(map(chr, range(200 + n, 900 + n)))) for n in range(3)]
    rows.append(license_row(user_email="İ" * 750))
    assert files.bring([plan_row()], rows).licenses == Merged(created=4)


def test_columns_that_are_not_ours_are_named(files: Files) -> None:
    assert files.bring([plan_row(color="red")]).ignored == {"plans.csv": ("color",)}


def test_imported_as_processed_is_terminated_for_the_licenses_known_then(files: Files) -> None:
    files.bring([plan_row(expiration_processed="true")], [license_row()])
    assert files.decisions() == {SEAT: Decision.UNLINK}
    late = [license_row(), license_row(SECOND)]
    files.bring([plan_row(expiration_processed="true")], late)
    assert files.decisions() == {SEAT: Decision.UNLINK, SECOND: Decision.TERMINATE}


def test_a_plan_that_moves_later_is_not_processed_for_the_new_date(files: Files) -> None:
    files.bring([plan_row(expiration_processed="true")], [license_row()])
    later = plan_row(expiration_processed="true", expiration_date="2026-02-01T00:00:00Z")
    for _ in range(2):
        files.bring([later])
        assert files.decisions() == {SEAT: Decision.TERMINATE}


def processed_by_us(files: Files) -> None:
    with files.database.session() as session:
        found = [row.verdict for row in verdicts.decide(session, Policy(NOW)).decided]
        store.record_events(session, EventName.TERMINATED, found, run_id="r", at=NOW)
        store.record_processed(session, UUID(PLAN), found[0].expiration_date, NOW)


def test_what_was_said_of_an_earlier_date_never_counts_for_one_that_is_still_to_come(files: Files) -> None:
    files.bring([plan_row()], [license_row()])
    processed_by_us(files)
    files.bring([plan_row(expiration_processed="true", expiration_date="2027-06-01T00:00:00Z")])
    assert files.decisions(datetime(2027, 7, 1, tzinfo=UTC)) == {SEAT: Decision.TERMINATE}


def test_a_claim_about_a_date_to_come_does_not_count_once_it_has_come(files: Files) -> None:
    claim = plan_row(expiration_processed="true", expiration_date="2026-07-01T00:00:00Z")
    files.bring([claim], [license_row()])
    for title in ("Same", "Again"):
        files.bring([{**claim, "title": title}])
    assert files.decisions(datetime(2026, 8, 1, tzinfo=UTC)) == {SEAT: Decision.TERMINATE}


@pytest.mark.parametrize("moved_before", [True, False])
def test_a_first_claim_beside_a_later_date_does_not_count(files: Files, moved_before: bool) -> None:
    files.bring([plan_row()], [license_row()])
    processed_by_us(files)
    later = plan_row(expiration_date="2026-02-01T00:00:00Z")
    if moved_before:
        files.bring([later])
    files.bring([{**later, "expiration_processed": "true"}])
    assert files.decisions() == {SEAT: Decision.TERMINATE}


def test_an_import_never_undoes_what_we_did(files: Files) -> None:
    files.bring([plan_row(expiration_processed="false")], [license_row()])
    with files.database.session() as session:
        found = [row.verdict for row in verdicts.decide(session, Policy(NOW)).decided]
        store.record_events(session, EventName.TERMINATED, found, run_id="r", at=NOW)
        store.record_events(session, EventName.UNLINKED, found, run_id="r", at=NOW)
        store.record_processed(session, UUID(PLAN), found[0].expiration_date, NOW)
    files.bring([plan_row(expiration_processed="false", title="Changed")], [license_row(lms_user_id=1)])
    assert files.decisions() == {SEAT: Decision.ALREADY_UNLINKED}
    with files.database.session() as session:
        assert session.get_one(SubscriptionPlan, UUID(PLAN)).processed_for is not None
        assert session.scalar(select(func.count()).select_from(LicenseEvent)) == 2


def test_the_number_of_statements_does_not_depend_on_the_number_of_licenses(files: Files) -> None:
    counts = []
    for size in (10, 1000):
        with statements(files.database) as sent:
            files.bring([plan_row()], [license_row(str(UUID(int=size * 10_000 + number))) for number in range(size)])
        counts.append(len(sent))
    assert counts[0] == counts[1]


@settings(max_examples=25)
@given(
    emails=st.lists(
        st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
        min_size=1,
        max_size=5,
    ),
    form=st.sampled_from(["csv", "json"]),
)
def test_addresses_survive_whatever_is_in_them(files: Files, emails: list[str | None], form: str) -> None:
    rows = [license_row(str(UUID(int=number)), user_email=email) for number, email in enumerate(emails)]
    files.bring([plan_row()], rows, form)
    with files.database.session() as session:
        for number, email in enumerate(emails):
            assert session.get_one(License, UUID(int=number)).user_email == (email or None)


HEADING = "uuid,enterprise_customer_uuid,title,start_date,expiration_date"
VALUES = f"{PLAN},{CUSTOMER},Plan,2025-01-01T00:00:00Z,2026-01-01T00:00:00Z"


def import_text(files: Files, content: str | bytes) -> Imported:
    path = files.folder / "plans.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with files.database.session() as session:
        return service.import_files(session, path, None, NOW)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"\ufeff{HEADING}\r\n{VALUES}\r\n", id="byte-order-mark"),
        pytest.param(f"sep=,\r\n{HEADING}\r\n{VALUES}\r\n", id="sep"),
        pytest.param(f"\ufeffSEP=,\n{HEADING}\n{VALUES}", id="byte-order-mark-and-sep"),
        pytest.param(f'"sep=,"\n{HEADING}\n{VALUES}', id="quoted-sep"),
        pytest.param(f"{HEADING.upper()}\n{VALUES}", id="upper-case-headings"),
        pytest.param(f"{HEADING.title()}\n{VALUES}", id="title-case-headings"),
        pytest.param(f" {HEADING.replace(',', ' , ')}\n{VALUES}", id="blanks-around-headings"),
        pytest.param(f"{HEADING},,\n{VALUES},,\n", id="unnamed-empty-columns"),
        pytest.param(f"{HEADING},,\n{VALUES}\n", id="unnamed-empty-columns-of-the-heading-only"),
        pytest.param(f"{HEADING}\n{VALUES},,\n", id="unnamed-empty-columns-of-a-line-only"),
        pytest.param(f",{HEADING}\n ,{VALUES}\n", id="an-unnamed-first-column-of-blanks"),
        pytest.param(f"{HEADING}\n,,,,\n{VALUES}\n , ,,,\n\n,,,,,,\n", id="lines-of-empty-fields"),
        pytest.param(f"{HEADING}\r{VALUES}\r", id="old-line-ends"),
    ],
)
def test_csv_is_read_as_excel_and_databases_write_it(files: Files, content: str) -> None:
    done = import_text(files, content)
    assert done.plans == Merged(created=1)
    assert dict(done.ignored) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(f"{HEADING},\n{VALUES},secret", "line 2: has a value in a column without a name", id="unnamed"),
        pytest.param(f"{HEADING}\n{VALUES},secret", "line 2: has 6 values for 5 columns", id="beyond-the-heading"),
        pytest.param(f"sep=,\n{HEADING}\n\n{VALUES},secret", "line 4: has 6 values", id="line-numbers-behind-sep"),
        pytest.param(
            f"{HEADING}\n{VALUES}\n{VALUES}".replace(",", ";"),
            "is separated by semicolons: save it as CSV",
            id="semicolons",
        ),
        pytest.param(f"sep=;\n{HEADING}\n{VALUES}".replace(",", ";"), "is separated by semicolons", id="sep-semicolon"),
        pytest.param(f"{HEADING}\n{VALUES}".replace(",", "\t"), "is separated by tabs", id="tabs"),
        pytest.param(
            f"Id,{HEADING.removeprefix('uuid,')}\nx,{VALUES}".replace("title", "TITLE"),
            "has no uuid: its columns are Id, enterprise_customer_uuid, TITLE, start_date, expiration_date",
            id="a-column-is-missing",
        ),
        pytest.param("", "it has no columns", id="empty"),
        pytest.param(f"{HEADING},Title\n{VALUES},x", "has a column twice", id="twice-in-another-case"),
    ],
)
def test_a_csv_that_cannot_be_understood_is_refused_as_that(files: Files, content: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        import_text(files, content)
    assert message in raised.value.message
    assert "secret" not in raised.value.message
