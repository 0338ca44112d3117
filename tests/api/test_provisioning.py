"""The API that writes: contracts, courseware and learners, once for each key, or not at all in a dry run."""

import threading
from typing import Any

import httpx
import pytest

from b2b_pipelines.contracts import catalog, courseware_registry
from b2b_pipelines.db.engine import Database
from tests.api.conftest import Connect
from tests.shop import Shop

COURSE = "course-v1:MITx+1.00"
NEW = {"organization": "ACME", "name": "Leadership", "integration_type": "non-sso", "max_learners": 3}


@pytest.fixture
def api(connect: Connect) -> httpx.Client:
    return connect("manage", "emails")


@pytest.fixture
def acme(api: httpx.Client, database: Database) -> httpx.Client:
    """An organization, and a course to give."""
    assert api.post("/organizations/", json={"name": "Acme", "org_key": "ACME"}).status_code == 201
    with database.session() as session:
        courseware_registry.register(session, catalog.course(COURSE, "One", source_run="SOURCE"))
    return api


def census(shop: Shop) -> dict[str, int]:
    tables = (
        "organization",
        "contract",
        "course_run",
        "product",
        "enrollment_code",
        "contract_change",
        "answered_request",
    )
    return {table: shop.run(f"SELECT count(*) FROM {table}")[0] for table in tables}


def test_a_contract_is_made_changed_and_given_courseware_and_its_codes_follow(acme: httpx.Client):
    made = acme.post("/contracts/", json={**NEW, "price": "199", "end": "2999-12-31"})
    assert made.status_code == 201
    assert (made.json()["slug"], made.json()["price"], made.json()["same_name"]) == ("leadership", "199.00", [])
    given = acme.post("/contracts/leadership/courseware/", json={"courseware_id": COURSE}).json()
    assert given["created"] == [f"course-v1:UAI_ACME+1.00+2026_C{made.json()['id']}"]
    assert given["codes_changed"]["created"] == 3
    changed = acme.patch("/contracts/leadership/", json={"max_learners": 5, "end": None}).json()
    assert (changed["codes"], changed["end"], changed["price"]) == (5, None, "199.00")
    assert changed["changed"] == ["end", "max_learners"]
    assert acme.get("/contracts/leadership/").json()["codes"] == 5


def test_a_field_that_is_left_out_stays_and_null_empties_it(acme: httpx.Client):
    acme.post("/contracts/", json={**NEW, "price": "10.50", "description": "For all", "start": "2026-01-01"})
    changed = acme.patch("/contracts/leadership/", json={"price": None}).json()
    assert (changed["price"], changed["description"], changed["start"], changed["max_learners"]) == (
        None,
        "For all",
        "2026-01-01",
        3,
    )
    assert acme.patch("/contracts/leadership/", json={"max_learners": 0}).json()["max_learners"] is None
    assert acme.patch("/contracts/leadership/", json={}).json()["changed"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": None}, "body.name"),
        ({"active": None}, "body.active"),
        ({"integration_type": "both"}, "body.integration_type"),
        ({"price": "1.234"}, "body.price"),
        ({"price": 3.5}, "body.price"),
        ({"max_learners": -1}, "body.max_learners"),
        ({"end": "tomorrow"}, "body.end"),
        ({"colour": "red"}, "body.colour"),
        ({"name": " "}, "body.name"),
    ],
)
def test_a_value_that_a_contract_cannot_have_is_refused_by_the_name_of_its_field(
    acme: httpx.Client, body: dict[str, Any], field: str
):
    acme.post("/contracts/", json=NEW)
    refused = acme.patch("/contracts/leadership/", json=body)
    assert refused.status_code == 400
    assert refused.json()["error_code"] == "invalid_input"
    assert list(refused.json()["fields"]) == [field]
    assert refused.json()["detail"].startswith(f"{field}: ")


def test_the_same_request_with_the_same_key_is_done_once_and_answered_alike(acme: httpx.Client, shop: Shop):
    keyed = {"Idempotency-Key": "one"}
    first = acme.post("/contracts/", json=NEW, headers=keyed)
    again = acme.post("/contracts/", json=NEW, headers=keyed)
    assert (again.status_code, again.content) == (201, first.content)
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    other = acme.post("/contracts/", json={**NEW, "name": "Other"}, headers=keyed)
    assert (other.status_code, other.json()["error_code"]) == (422, "idempotency_key_reused")
    assert census(shop)["contract"] == 1
    without = acme.post("/contracts/", json=NEW).json()
    assert (without["slug"], without["same_name"]) == ("leadership-2", ["leadership"])


def test_a_key_belongs_to_its_token(acme: httpx.Client, connect: Connect, shop: Shop):
    other = connect("manage")
    for client in (acme, other):
        assert client.post("/contracts/", json=NEW, headers={"Idempotency-Key": "one"}).status_code == 201
    assert census(shop)["contract"] == 2


def test_many_requests_with_one_key_at_the_same_time_make_one_contract(acme: httpx.Client, shop: Shop):
    answers: list[httpx.Response] = []

    def post() -> None:
        answers.append(acme.post("/contracts/", json=NEW, headers={"Idempotency-Key": "one"}))

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(answer.status_code, answer.json()["id"]) for answer in answers} == {
        (201, shop.run("SELECT id FROM contract")[0])
    }
    assert census(shop)["contract"] == 1


def test_a_dry_run_answers_what_would_change_and_writes_nothing_not_even_an_id(acme: httpx.Client, shop: Shop):
    before = census(shop)
    ids = set()
    for _ in range(2):
        would = acme.post("/contracts/?dry_run=true", json=NEW, headers={"Idempotency-Key": "one"})
        assert (would.status_code, would.json()["dry_run"]) == (200, True)
        ids.add(would.json()["id"])
    acme.post("/organizations/?dry_run=true", json={"name": "Globex"})
    assert census(shop) == before
    assert {acme.post("/contracts/", json=NEW, headers={"Idempotency-Key": "one"}).json()["id"]} == ids
    runs = []
    (product,) = shop.run("SELECT last_value + 1 FROM pg_sequences WHERE sequencename = 'product_id_seq'")
    for method, path, body in (
        ("POST", "/contracts/leadership/courseware/", {"courseware_id": COURSE}),
        ("PATCH", "/contracts/leadership/", {"max_learners": 1}),
        ("POST", "/contracts/leadership/learners/", {"email": "jo@example.com"}),
    ):
        before = census(shop)
        would = acme.request(method, f"{path}?dry_run=true", json=body)
        assert (would.status_code, would.json()["dry_run"]) == (200, True), path
        assert census(shop) == before
        runs += [would.json()["created"]] if "created" in would.json() else []
    given = acme.post("/contracts/leadership/courseware/", json={"courseware_id": COURSE}).json()
    assert [given["created"]] == runs
    assert shop.run("SELECT id FROM product") == [product]


def test_a_dry_run_says_how_many_codes_that_were_handed_out_stop_working(acme: httpx.Client, shop: Shop):
    acme.post("/contracts/", json={**NEW, "max_learners": 20})
    given = acme.post("/contracts/leadership/courseware/", json={"courseware_id": COURSE}).json()
    shop.run("UPDATE enrollment_code SET sheet_row = id WHERE id < (SELECT min(id) + 17 FROM enrollment_code)")
    would = acme.patch("/contracts/leadership/?dry_run=true", json={"max_learners": 5}).json()
    assert (would["losses"]["codes"], would["losses"]["handed_out"]) == (15, 12)
    assert would["losses"]["messages"] == [
        "12 codes that were handed out stop working.",
        "3 codes that no sheet shows stop working.",
    ]
    taken = acme.delete("/contracts/leadership/courseware/", params={"courseware_id": COURSE, "dry_run": "true"}).json()
    assert (taken["losses"]["codes"], taken["losses"]["runs"]) == (20, given["created"])
    closed = acme.patch("/contracts/leadership/?dry_run=true", json={"active": False}).json()["losses"]
    assert (closed["closes"], closed["codes"], closed["handed_out"]) == (True, 20, 17)
    ended = acme.patch("/contracts/leadership/?dry_run=true", json={"end": "2020-01-01"}).json()["losses"]
    assert (ended["closes"], ended["handed_out"]) == (True, 17)
    assert acme.get("/contracts/leadership/").json()["codes"] == 20


def test_the_second_of_two_managers_is_shown_what_the_first_one_changed_and_nothing_is_lost(
    acme: httpx.Client, connect: Connect
):
    acme.post("/contracts/", json=NEW)
    second = connect("manage")
    seen = second.get("/contracts/leadership/").headers["ETag"]
    assert acme.patch("/contracts/leadership/", json={"max_learners": 9}, headers={"If-Match": seen}).status_code == 200
    refused = second.patch("/contracts/leadership/", json={"max_learners": 4}, headers={"If-Match": seen})
    assert (refused.status_code, refused.json()["error_code"]) == (412, "contract_changed")
    (change,) = refused.json()["changes"]
    assert (change["fields"], change["who"]) == ({"max_learners": [3, 9]}, "a test")
    now = refused.headers["ETag"]
    assert second.get("/contracts/leadership/").json()["max_learners"] == 9
    again = second.patch("/contracts/leadership/", json={"max_learners": 4}, headers={"If-Match": now})
    assert (again.status_code, again.json()["max_learners"]) == (200, 4)


def test_codes_that_follow_by_themselves_do_not_contradict_an_edit(acme: httpx.Client):
    acme.post("/contracts/", json=NEW)
    seen = acme.get("/contracts/leadership/").headers["ETag"]
    acme.post("/contracts/leadership/courseware/", json={"courseware_id": COURSE})
    assert acme.get("/contracts/leadership/").headers["ETag"] != seen
    assert acme.patch("/contracts/leadership/", json={"price": "1.00"}, headers={"If-Match": seen}).status_code == 200


def test_courseware_that_is_taken_and_given_again_comes_back(acme: httpx.Client):
    acme.post("/contracts/", json=NEW)
    given = acme.post("/contracts/leadership/courseware/", json={"courseware_id": COURSE}).json()
    taken = acme.delete("/contracts/leadership/courseware/", params={"courseware_id": COURSE}).json()
    assert (taken["removed"], taken["losses"]["codes"]) == (given["created"], 3)
    back = acme.post("/contracts/leadership/courseware/", json={"courseware_id": COURSE}).json()
    assert back["created"] == back["restored"] == taken["removed"]
    refused = acme.delete("/contracts/leadership/courseware/", params={"courseware_id": "course-v1:MITx+9"})
    assert (refused.status_code, refused.json()["error_code"]) == (404, "not_found")


def test_learners_are_added_by_hand_and_taken_out_by_their_id(acme: httpx.Client):
    acme.post("/contracts/", json={**NEW, "max_learners": 1})
    added = acme.post("/contracts/leadership/learners/", json={"email": "jo@example.com"})
    assert (added.status_code, added.json()["result"]) == (201, "attached")
    assert acme.post("/contracts/leadership/learners/", json={"email": "jo@example.com"}).status_code == 200
    full = acme.post("/contracts/leadership/learners/", json={"email": "kim@example.com"})
    assert (full.status_code, full.json()["error_code"]) == (409, "contract_full")
    forced = acme.post("/contracts/leadership/learners/", json={"email": "kim@example.com", "force": True})
    assert forced.status_code == 201
    learner = added.json()["learner"]
    listed = acme.get("/contracts/leadership/learners/", params={"search": "JO@"}).json()["results"]
    assert [(row["id"], row["email"], row["how"]) for row in listed] == [(learner, "jo@example.com", "manual")]
    assert acme.delete(f"/contracts/leadership/learners/{learner}/").json()["result"] == "removed"
    assert acme.delete(f"/contracts/leadership/learners/{learner}/").status_code == 404


def test_every_change_is_kept_with_who_made_it_and_what_it_was(acme: httpx.Client, connect: Connect):
    acme.post("/contracts/", json=NEW)
    acme.post("/contracts/leadership/courseware/", json={"courseware_id": COURSE})
    acme.patch("/contracts/leadership/", json={"max_learners": 2})
    acme.post("/contracts/leadership/learners/", json={"email": "jo@example.com"})
    newest, changed, given, created = acme.get("/contracts/leadership/changes/").json()["results"]
    assert (created["action"], created["fields"]["max_learners"]) == ("created", [None, 3])
    assert (given["courseware"], given["codes"]) == (COURSE, {"created": 3})
    assert (changed["fields"], changed["losses"]["codes"]) == ({"max_learners": [3, 2]}, 1)
    assert (newest["action"], newest["learner_email"]) == ("learner_added", "jo@example.com")
    assert {(row["who"]["kind"], row["who"]["name"]) for row in (created, newest)} == {("token", "a test")}
    masked = connect("read").get("/contracts/leadership/changes/").json()["results"][0]
    assert masked["learner_email"] == "j•••@example.com"


def test_a_bound_token_manages_its_own_organization_only(acme: httpx.Client, connect: Connect):
    acme.post("/organizations/", json={"name": "Globex", "org_key": "GLOBEX"})
    bound = connect("manage", organization="ACME")
    assert bound.post("/contracts/", json=NEW).status_code == 201
    assert bound.patch("/contracts/leadership/", json={"max_learners": 1}).status_code == 200
    for named in ("GLOBEX", "Nobody"):
        refused = bound.post("/contracts/", json={**NEW, "organization": named})
        assert (refused.status_code, refused.json()["detail"]) == (404, "no such organization")
    assert bound.post("/organizations/", json={"name": "Third"}).status_code == 403
    assert [row["org_key"] for row in bound.get("/organizations/").json()["results"]] == ["ACME"]


def test_without_the_scope_nothing_is_written(acme: httpx.Client, connect: Connect):
    acme.post("/contracts/", json=NEW)
    reader = connect("read", "emails", "attach", "checkout", "provisioning")
    for method, path in (
        ("POST", "/organizations/"),
        ("POST", "/contracts/"),
        ("PATCH", "/contracts/leadership/"),
        ("POST", "/contracts/leadership/courseware/"),
        ("DELETE", "/contracts/leadership/courseware/?courseware_id=x"),
        ("POST", "/contracts/leadership/learners/"),
        ("DELETE", "/contracts/leadership/learners/1/"),
        ("POST", "/contracts/leadership/sheet/sync/"),
        ("POST", "/contracts/leadership/sheet/rebuild/"),
        ("POST", "/contracts/leadership/set-up/"),
    ):
        refused = reader.request(method, path, json={} if method in ("POST", "PATCH") else None)
        assert (refused.status_code, refused.json()["error_code"]) == (403, "missing_scope"), path
