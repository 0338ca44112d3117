"""The writes of a sync, its requests, and the records that it leaves."""

from datetime import UTC, datetime

import httpx
import pytest
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from sqlalchemy import text

from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners.service import Person
from b2b_pipelines.sheets import service, store, writing
from b2b_pipelines.sheets.kept import texts_kept
from b2b_pipelines.sheets.layout import HEADERS
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.service import NotDelivered
from b2b_pipelines.vendors.google_sheets import SheetProtected
from tests.sheets.conftest import ACCOUNT


def test_a_first_fill_of_300_codes_is_one_read_and_one_write(deliver):
    acme = deliver(cap=300)
    done = acme.sync()
    assert acme.requests() == {"read": 1, "write": 1}
    assert (done.header, done.appended, done.updated, done.target.new) == (True, 300, 0, True)
    assert acme.tab.grid("A1:F1") == [list(HEADERS)]
    assert acme.shown() == acme.codes()
    assert acme.row_of(acme.codes()[0]) == [acme.codes()[0], "one-time", "0"]
    assert acme.tab.value("C2") == 0


def test_300_unchanged_codes_are_one_read_and_no_write(deliver):
    acme = deliver(cap=300)
    acme.sync()
    acme.requests()
    done = acme.sync()
    assert acme.requests() == {"read": 1, "write": 0}
    assert (done.requests.reads, done.requests.writes, done.unchanged, done.changed) == (1, 0, 300, False)


def test_50_new_codes_beside_300_are_one_read_and_one_write(deliver):
    acme = deliver(cap=300)
    acme.sync()
    acme.modify(max_learners=350)
    acme.requests()
    done = acme.sync()
    assert acme.requests() == {"read": 1, "write": 1}
    assert (done.appended, done.updated, done.unchanged) == (50, 0, 300)
    assert acme.shown() == acme.codes()


@pytest.mark.long
def test_a_first_fill_of_10_000_codes_is_one_read_and_at_most_three_writes(deliver):
    acme = deliver(cap=10_000)
    done = acme.sync()
    counted = acme.requests()
    assert counted["read"] == 1
    assert counted["write"] <= 3
    assert done.appended == 10_000
    assert acme.shown() == acme.codes()
    assert acme.tab.row_count == 10_001
    assert not acme.plan().changed


def test_a_large_change_of_a_filled_sheet_goes_out_in_pieces(deliver, monkeypatch):
    monkeypatch.setattr(writing, "ATOMIC_BYTES", 5_000)
    monkeypatch.setattr(writing, "PIECE_BYTES", 2_000)
    acme = deliver(cap=40)
    acme.sync()
    acme.tab.sort("A", descending=True)
    acme.tab.type("G7", "a note")
    acme.modify(max_learners=90)
    done = acme.sync()
    assert (done.appended, done.unchanged) == (50, 40)
    assert sorted(acme.shown()) == sorted(acme.codes())
    assert acme.tab.shown("G7") == "a note"
    assert not acme.plan().changed


def test_the_next_sync_goes_on_after_one_that_ended_between_two_pieces(deliver, sandbox, monkeypatch):
    monkeypatch.setattr(writing, "ATOMIC_BYTES", 5_000)
    monkeypatch.setattr(writing, "PIECE_BYTES", 2_000)
    acme = deliver(cap=60, tabs={"Sheet1": [["old", "content"], ["of", "A-F"]] * 60})
    sandbox.faults.answer(403, kind="write", skip=2)
    with pytest.raises(Exception, match="share it with"):
        acme.sync()
    assert 0 < len(acme.shown()) < 60
    done = acme.sync()
    assert not done.target.new or not done.header, "what is there is continued, not written again"
    assert acme.shown() == acme.codes()
    assert acme.tab.grid("A1:F1") == [list(HEADERS)]
    with acme.database.session() as session:
        before = service.find_snapshot(session, acme.slug, before=True)
    assert before.rows[:2] == [["old", "content"], ["of", "A-F"]]


def test_a_pieces_sync_that_fails_once_counts_every_row_it_wrote(deliver, sandbox, monkeypatch):
    monkeypatch.setattr(writing, "ATOMIC_BYTES", 5_000)
    monkeypatch.setattr(writing, "PIECE_BYTES", 2_000)
    acme = deliver(cap=60)
    sandbox.faults.answer(503, kind="write", skip=1)
    done = acme.sync()
    assert (done.header, done.appended, done.updated, done.unchanged) == (True, 60, 0, 0)
    assert acme.shown() == acme.codes()


# New targets


def test_what_a_to_f_held_is_kept_and_g_stays_when_a_target_is_new(deliver):
    acme = deliver(cap=2, tabs={"Sheet1": [["a", "b", None, None, None, "f", "g", "h"], [7], [], ["x"]] + [[]] * 3})
    acme.sync()
    assert acme.shown() == acme.codes()
    assert acme.tab.grid("G1:H1") == [["g", "h"]]
    assert acme.tab.shown("A4") == ""
    with acme.database.session() as session:
        before = service.find_snapshot(session, acme.slug, before=True)
        assert before.rows == [["a", "b", "", "", "", "f"], [7], [], ["x"]]
        assert before.kind == "before"


def test_what_is_kept_is_what_a_person_would_type_in_again(deliver):
    acme = deliver(cap=2, tabs={"Sheet1": [[], ["1/5/2026", "=1+1"]]})
    acme.tab.type("A1", "1/5/2026")
    acme.tab.type("B1", "=1+1")
    done = acme.sync()
    assert (done.requests.reads, done.requests.writes) == (1, 1)
    with acme.database.session() as session:
        assert texts_kept(service.find_snapshot(session, acme.slug, before=True).rows)[0][:2] == ["1/5/2026", "=1+1"]


def test_what_was_not_replaced_after_all_is_kept_once(deliver):
    acme = deliver(cap=2, tabs={"Sheet1": [["theirs"]]})
    acme.tab.protect("A1:B2")
    for _ in range(3):
        with pytest.raises(SheetProtected):
            acme.sync()
    with acme.database.session() as session:
        contract = session.scalars(text("SELECT id FROM contract")).one()
        assert [kept.rows for kept in store.before(session, contract)] == [[["theirs"]]]


def test_a_new_target_that_holds_our_codes_is_updated(deliver):
    acme = deliver(cap=4)
    acme.sync()
    for row in (2, 5):
        acme.tab.type(f"G{row}", f"note of {acme.tab.shown(f'A{row}')}")
    acme.tab.sort("A", descending=True)
    rows = acme.tab.grid()
    acme.statement("DELETE FROM sheet_snapshot")
    acme.statement("DELETE FROM sheet_target")
    done = acme.sync()
    assert (done.header, done.appended, done.unchanged) == (False, 0, 4)
    assert acme.tab.grid() == rows
    with acme.database.session() as session:
        contract = session.scalars(text("SELECT id FROM contract")).one()
        assert store.before(session, contract) == []


def test_a_tab_that_was_cleared_is_filled_again(deliver):
    acme = deliver(cap=3)
    acme.sync()
    acme.tab.clear("A1:Z1000")
    done = acme.sync()
    assert (done.header, done.appended) == (True, 3)
    assert acme.shown() == acme.codes()


def test_a_grid_that_is_too_small_grows_in_the_same_request(deliver):
    acme = deliver(cap=30)
    acme.tab.shrink(4, 3)
    acme.sync()
    assert acme.requests() == {"read": 1, "write": 1}
    assert (acme.tab.row_count, acme.tab.column_count) == (31, 6)
    assert acme.shown() == acme.codes()


def test_a_contract_without_codes_gets_its_header(deliver):
    acme = deliver(courses=0)
    done = acme.sync()
    assert (done.header, done.rows) == (True, 0)
    assert acme.tab.grid() == [list(HEADERS)]
    assert not acme.sync().changed


def test_rebuilding_writes_anew_and_a_second_time_nothing(deliver):
    acme = deliver(cap=3)
    acme.sync()
    acme.tab.type("A9", "a footnote")
    acme.tab.type("G3", "a note")
    acme.tab.move_columns("A", before="E")
    done = acme.sync(rebuild=True)
    assert (done.header, done.updated, done.appended, done.target.new) == (True, 3, 0, True)
    assert acme.shown() == acme.codes()
    acme.requests()
    assert not acme.sync(rebuild=True).changed
    assert acme.requests()["write"] == 0
    with acme.database.session() as session:
        assert ["", "", "", "a footnote"] in service.find_snapshot(session, acme.slug, before=True).rows


# Which codes


def test_a_cap_limits_the_rows_whatever_the_number_of_courses(deliver):
    acme = deliver(cap=4, courses=3)
    acme.sync()
    assert len(acme.codes()) == 12
    assert acme.shown() == acme.codes()[:4]


def test_an_uncapped_contract_shows_every_code(deliver):
    acme = deliver(cap=None, courses=3)
    acme.sync()
    assert acme.shown() == acme.codes()
    assert [row[1] for row in acme.tab.grid("A2:F4")] == ["unlimited"] * 3


def test_a_redeemed_code_shows_who_and_when_and_stays_text(deliver):
    acme = deliver(cap=3)
    acme.sync()
    code = acme.codes()[1]
    acme.redeem(code, "=IMPORTXML(1)")
    done = acme.sync()
    assert (done.updated, done.unchanged) == (1, 2)
    moment = "2026-03-04 05:06:07 UTC"
    assert acme.row_of(code) == [code, "one-time", "1", moment, "=IMPORTXML(1)", moment]
    assert acme.tab.cell("C3") == 1
    assert acme.tab.cell("E3") == "=IMPORTXML(1)"


def test_an_unlimited_code_counts_and_shows_its_last_redeemer_and_is_not_invalid(deliver):
    acme = deliver(cap=None)
    (code,) = acme.codes()
    acme.redeem(code, "one@example.com")
    acme.redeem(code, "two@example.com")
    acme.sync()
    assert acme.row_of(code) == [code, "unlimited", "2", "", "two@example.com", "2026-03-04 05:06:07 UTC"]


def test_redeemed_codes_come_first_and_one_redeemed_from_outside_is_added(deliver):
    acme = deliver(cap=3, courses=2)
    outside, inside = acme.codes()[5], acme.codes()[0]
    acme.redeem(acme.codes()[1], "first@example.com")
    acme.sync()
    assert acme.shown() == [acme.codes()[1], acme.codes()[0], acme.codes()[2]]
    acme.redeem(outside, "outside@example.com")
    acme.sync()
    assert acme.shown() == [acme.codes()[1], inside, acme.codes()[2], outside]


def test_a_lowered_cap_keeps_rows_with_their_invalidation_and_a_raised_one_brings_them_back(deliver):
    acme = deliver(cap=5)
    acme.sync()
    codes = acme.codes()
    acme.modify(max_learners=3)
    done = acme.sync()
    assert acme.shown() == codes
    assert done.updated == 2
    assert [bool(acme.tab.shown(f"D{row}")) for row in range(2, 7)] == [False, False, False, True, True]
    acme.modify(max_learners=5)
    assert acme.sync().updated == 2
    assert acme.tab.column("D") == ["Invalidated On"]


def test_a_code_deactivated_before_it_was_written_is_not_added(deliver):
    acme = deliver(cap=5)
    acme.modify(max_learners=3)
    acme.sync()
    assert acme.shown() == acme.codes()[:3]


def test_an_expiration_comes_before_everything_else(deliver):
    acme = deliver(cap=1)
    (code,) = acme.codes()
    acme.redeem(code, "ada@example.com")
    acme.statement(
        "UPDATE enrollment_code SET expires_at = '2027-01-02 03:04:05+02', active = false, deactivated_at = now()"
    )
    acme.sync()
    assert acme.row_of(code)[3] == "2027-01-02 01:04:05 UTC"


def test_deleted_codes_keep_their_row_and_one_time_of_invalidation(deliver):
    acme = deliver(cap=3)
    acme.sync()
    _, gone, _ = acme.codes()
    acme.statement("DELETE FROM enrollment_code WHERE code = :code", code=gone)
    assert acme.sync().updated == 1
    shown = acme.row_of(gone)
    assert shown[3].endswith(" UTC")
    for _ in range(2):
        done = acme.sync()
        assert (done.changed, done.conflicts) == (False, ())
    assert acme.row_of(gone) == shown
    acme.tab.sort("A", descending=True)
    acme.tab.type(f"D{acme.tab.column('A').index(gone) + 1}", "")
    acme.sync()
    assert acme.row_of(gone) == shown


def test_an_unchanged_time_of_modification_is_no_reason_to_skip_a_sync(deliver, sandbox):
    """Drive learns of edits up to a minute late; a sync reads, repairs and asks Drive nothing."""
    acme = deliver(cap=2)
    acme.sync()
    modified = modified_time(sandbox, acme.spreadsheet.spreadsheet_id)
    acme.tab.type("B2", "mine")
    acme.tab.clear("A3:F3")
    acme.requests()
    assert (acme.sync().updated, acme.tab.shown("B2"), sorted(acme.shown())) == (1, "one-time", sorted(acme.codes()))
    assert sandbox.google.counts() == {"read": 1, "write": 1}
    assert acme.sync().requests.reads == 1
    assert modified_time(sandbox, acme.spreadsheet.spreadsheet_id) == modified


def modified_time(sandbox, spreadsheet_id: str) -> str:
    """Return `modifiedTime` as Drive answers it to the account that syncs."""
    key = sandbox.google.make_service_account(ACCOUNT)
    scopes = ["https://www.googleapis.com/auth/drive"]
    credentials = service_account.Credentials.from_service_account_info(key, scopes=scopes)
    credentials.refresh(Request())
    url = f"{sandbox.url}/drive/v3/files/{spreadsheet_id}?fields=modifiedTime"
    answer = httpx.get(url, headers={"authorization": f"Bearer {credentials.token}"})
    return str(answer.raise_for_status().json()["modifiedTime"])


@pytest.mark.parametrize("column", "BCD")
@pytest.mark.parametrize("covered_cells", ["drop", "hide"])
def test_a_deleted_code_that_stands_twice_keeps_cells_that_a_merge_hides_in_one_row(
    deliver, sandbox, column, covered_cells
):
    sandbox.google.hypotheses.covered_cells = covered_cells
    acme = deliver(cap=3)
    acme.sync()
    gone = acme.codes()[1]
    acme.tab.duplicate_row(3)
    acme.statement("DELETE FROM enrollment_code WHERE code = :code", code=gone)
    acme.sync()
    shown = acme.row_of(gone)
    acme.tab.merge(f"{column}3:{column}4")
    for _ in range(2):
        assert not acme.sync().changed
    assert acme.row_of(gone) == shown


def test_what_only_looks_like_a_code_is_never_taken_for_a_deleted_one(deliver):
    acme = deliver(cap=2)
    acme.sync()
    acme.tab.type("A7", "6f1c8e0a-5f0e-4a0d-9c1e-2f1f0a7f3b11")
    for cap in (3, 4):
        acme.modify(max_learners=cap)
        done = acme.sync()
        assert (done.appended, done.updated, done.requests.writes) == (1, 0, 1)
        assert [conflict.kind for conflict in done.conflicts] == ["unknown_code"]
    assert acme.tab.grid("B7:F7") == []


def test_a_seat_freed_by_removing_a_learner_shows_its_new_code(deliver):
    acme = deliver(cap=2)
    acme.redeem(acme.codes()[0], "ada@example.com")
    acme.sync()
    acme.statement("DELETE FROM contract_learner WHERE contract_id = :contract")
    acme.modify(description="anything")
    acme.sync()
    assert len(acme.codes()) == 3
    assert sorted(acme.shown()) == sorted(acme.codes())


def test_a_learner_who_comes_back_with_another_code_takes_one_row_of_the_seats(deliver):
    acme = deliver(cap=3)
    first, second, _third = acme.codes()
    with acme.database.session() as session:
        learners.attach(session, first, Person("ann@example.com"), datetime.now(UTC))
    with acme.database.session() as session:
        learners.remove(session, acme.slug, "ann@example.com")
    with acme.database.session() as session:
        learners.attach(session, second, Person("ann@example.com"), datetime.now(UTC))
    acme.sync()
    rows = acme.tab.grid()[1:]
    assert [row[0] for row in rows[:2]] == [first, second]
    assert sum(not any("@" in cell for cell in row) for row in rows if any(row)) == 2, "two seats are free"


def test_removed_courseware_leaves_usable_codes_in_the_sheet(deliver):
    acme = deliver(cap=2, courses=2)
    acme.sync()
    acme.statement(
        "UPDATE enrollment_code SET active = false, deactivated_at = now() WHERE id < (SELECT min(id) + 2 FROM enrollment_code)"
    )
    acme.sync()
    assert acme.shown() == acme.codes()


def test_codes_are_invalidated_once_more_when_a_contract_stops_requiring_them(deliver):
    acme = deliver(cap=2)
    acme.sync()
    codes = acme.codes()
    acme.modify(integration_type="sso", max_learners=None)
    assert acme.codes() == []
    assert acme.sync().updated == 2
    assert acme.shown() == codes
    assert all(acme.row_of(code)[3] for code in codes)
    with pytest.raises(NotDelivered, match="does not require codes"):
        acme.sync()


@pytest.mark.parametrize("terms", [{"integration": "sso"}, {"integration": "sso", "price": None}])
def test_contracts_that_require_no_codes_say_so(deliver, terms):
    acme = deliver(**terms)
    for look in (acme.sync, acme.plan):
        with pytest.raises(NotDelivered, match="acme does not require codes"):
            look()
    assert acme.requests() == {"read": 0, "write": 0}


def test_a_priced_sso_contract_is_synced(deliver):
    from decimal import Decimal

    acme = deliver(integration="sso", price=Decimal("9.50"), cap=2)
    assert acme.sync().appended == 2


def test_a_contract_without_a_sheet_says_so(deliver):
    acme = deliver()
    acme.modify(sheet_url=None)
    with pytest.raises(NotDelivered, match="has no sheet"):
        acme.sync()


# The customer's edits, through to conflicts


def test_conflicts_are_listed_and_the_rest_goes_on(deliver):
    acme = deliver(cap=4)
    acme.sync()
    annotated, edited, copied, _ = acme.codes()
    acme.tab.type("A2", f"{annotated} (for Bo)")
    acme.tab.type("A3", edited[:-1] + "?")
    acme.tab.duplicate_row(4)
    done = acme.sync()
    assert [tuple(conflict) for conflict in done.conflicts] == [
        ("annotated", 2, annotated),
        ("unknown_code", 3, edited),
        ("duplicate", 5, copied),
    ]
    assert done.appended == 1
    assert acme.tab.column("A")[-1] == edited
    again = acme.sync()
    assert (again.changed, again.conflicts) == (False, done.conflicts)
    assert acme.snapshots()[0].conflicts == [conflict._asdict() for conflict in done.conflicts]


def test_locations_name_the_first_row_of_a_code_and_the_target(deliver):
    acme = deliver(cap=2)
    acme.sync()
    acme.tab.duplicate_row(2)
    acme.sync()
    with acme.database.session() as session:
        rows = session.execute(text("SELECT sheet_target, sheet_row FROM enrollment_code ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [
        (f"{acme.spreadsheet.spreadsheet_id}#0", 2),
        (f"{acme.spreadsheet.spreadsheet_id}#0", 4),
    ]


def test_a_lost_layout_writes_nothing_and_names_the_way_out(deliver):
    acme = deliver(cap=3)
    acme.sync()
    acme.tab.delete_columns("A", "C")
    before = acme.tab.grid()
    acme.requests()
    with pytest.raises(service.LayoutIsLost, match="b2b sheet rebuild acme") as caught:
        acme.sync()
    assert acme.requests()["write"] == 0
    assert acme.tab.grid() == before
    assert [tuple(conflict) for conflict in caught.value.result.conflicts] == [("layout_lost", 1, None)]


# Snapshots


def test_nothing_to_do_moves_verified_at_and_adds_no_snapshot(deliver):
    acme = deliver(cap=3)
    first = acme.sync(run_id="run-1")
    (taken,) = acme.snapshots()
    assert (taken.run_id, taken.reads, taken.writes, taken.appended, taken.row_count) == ("run-1", 1, 1, 3, 3)
    again = acme.sync(run_id="run-2")
    (verified,) = acme.snapshots()
    assert verified.id == taken.id
    assert verified.verified_at > taken.verified_at
    assert (verified.taken_at, verified.run_id) == (taken.taken_at, "run-1")
    assert again.content_hash == first.content_hash


def test_the_content_hash_outlives_sorting_and_changes_with_a_redemption(deliver):
    acme = deliver(cap=3)
    first = acme.sync().content_hash
    acme.tab.sort("A", descending=True)
    acme.tab.insert_columns("A")
    assert acme.sync().content_hash == first
    assert acme.snapshots()[0].columns == [1, 2, 3, 4, 5, 6]
    acme.redeem(acme.codes()[0], "ada@example.com")
    assert acme.sync().content_hash != first
    assert [snapshot.updated for snapshot in acme.snapshots()] == [1, 0]


def test_conflict_rows_with_cells_of_any_kind_can_be_hashed(deliver):
    acme = deliver(cap=3)
    acme.sync()
    for row, cell in ((2, "TRUE"), (3, "12"), (4, "text")):
        acme.tab.type(f"A{row}", "edited")
        acme.tab.type(f"B{row}", cell)
    assert len(acme.sync().content_hash) == 64
    assert not acme.sync().changed


def test_foreign_columns_are_never_stored(deliver):
    acme = deliver(cap=2)
    acme.tab.type("G1", "secret header")
    acme.tab.type("H3", "secret note")
    acme.sync()
    acme.tab.type("A7", "a secret footnote")
    acme.sync()
    with acme.database.session() as session:
        assert "secret" not in str(session.scalars(text("SELECT rows::text FROM sheet_snapshot")).all())


def test_what_was_replaced_is_forgotten_after_30_days(deliver):
    acme = deliver(cap=1, tabs={"Sheet1": [["foreign"]]})
    acme.sync()
    acme.statement("UPDATE sheet_snapshot SET taken_at = now() - interval '29 days' WHERE kind = 'before'")
    acme.sync()
    with acme.database.session() as session:
        assert service.find_snapshot(session, acme.slug, before=True).rows == [["foreign"]]
    acme.statement("UPDATE sheet_snapshot SET taken_at = now() - interval '31 days' WHERE kind = 'before'")
    acme.sync()
    with acme.database.session() as session:
        assert session.query(SheetSnapshot).filter_by(kind="before").count() == 0


def test_a_plan_reads_and_leaves_no_trace(deliver):
    acme = deliver(cap=5)
    planned = acme.plan()
    assert acme.requests() == {"read": 1, "write": 0}
    assert (planned.header, planned.appended, planned.target.new) == (True, 5, True)
    assert (acme.tab.grid(), acme.snapshots()) == ([], [])
    assert acme.sync().appended == 5
    assert not acme.plan().changed
