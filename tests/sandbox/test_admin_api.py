"""The admin API does for another process what the objects do for this one."""

import httpx
import pytest


@pytest.fixture
def admin(sandbox):
    with httpx.Client(base_url=f"{sandbox.url}/sandbox/api", timeout=10) as client:
        yield client


@pytest.fixture
def codes(admin):
    answer = admin.post("/spreadsheets", json={"title": "Codes", "tabs": {"Main": [["b", 2], ["a", 1]]}})
    assert answer.status_code == 201
    return answer.json()["id"]


def test_a_spreadsheet_made_over_http_is_found_by_its_url(sandbox, admin, gsheets, codes):
    described = admin.get(f"/spreadsheets/{codes}").json()
    assert gsheets.open_by_url(described["url"]).sheet1.get_values("A1", "B2") == [["b", "2"], ["a", "1"]]
    assert [item["id"] for item in admin.get("/spreadsheets").json()] == [codes]
    assert admin.delete(f"/spreadsheets/{codes}").status_code == 200
    assert admin.get(f"/spreadsheets/{codes}").status_code == 404


def test_edits_are_those_of_the_model(sandbox, admin, codes):
    edits = [
        {"op": "sort", "column": "A", "header": False},
        {"op": "type", "tab": "main", "where": "C1", "text": "=A1"},
        {"op": "add_tab", "title": "More"},
        {"op": "rename_tab", "tab": "More", "title": "Notes"},
        {"op": "unshare", "email": "someone@example.com"},
    ]
    assert admin.post(f"/spreadsheets/{codes}/edits", json={"edits": edits}).status_code == 200
    spreadsheet = sandbox.google.spreadsheet(codes)
    assert spreadsheet.tab("Main").grid() == [["a", "1", "a"], ["b", "2"]]
    assert [tab.title for tab in spreadsheet.tabs] == ["Main", "Notes"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"op": "explode"}, "no edit 'explode'"),
        ({"op": "resize", "row_count": 1, "column_count": 1}, "no edit 'resize'"),
        ({"op": "type", "where": "A1"}, "text"),
        ({"op": "type", "where": "A1", "text": "x", "tab": "Other"}, "no tab 'Other'"),
        ({"op": "type", "where": "ZZ1", "text": "x"}, "exceeds grid limits"),
        ({"op": "type", "where": "here", "text": "x"}, "Unable to parse range"),
        ({"op": "delete_rows", "first": "many"}, "first"),
        ({"op": "delete_tab"}, "can't remove all the sheets"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_in_words(admin, codes, edit, words):
    answer = admin.post(f"/spreadsheets/{codes}/edits", json={"edits": [edit]})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_faults_quota_and_latency_are_set_over_http(sandbox, admin, codes, rest):
    read = lambda: rest.get(f"/v4/spreadsheets/{codes}").status_code  # noqa: E731
    assert admin.post("/faults", json={"act": "answer", "status": 503, "kind": "read"}).status_code == 200
    assert [fault["status"] for fault in admin.get("/faults").json()["faults"]] == [503]
    assert [read(), read()] == [503, 200]
    assert admin.put("/quota", json={"reads": 1, "writes": 1, "window": 30}).status_code == 200
    assert [read(), read()] == [200, 429]
    assert admin.put("/latency", json={"seconds": 0.01}).json() == {"latency": 0.01}
    assert admin.delete("/faults").json() == {"latency": 0, "faults": []}


def test_an_edit_around_a_request_is_set_over_http(sandbox, admin, codes, rest):
    edits = [{"op": "type", "where": "A1", "text": "meanwhile"}]
    asked = admin.post("/faults/edit", json={"spreadsheet": codes, "edits": edits, "kind": "read"})
    assert asked.status_code == 200
    assert rest.get(f"/v4/spreadsheets/{codes}/values/A1").json()["values"] == [["b"]]
    assert rest.get(f"/v4/spreadsheets/{codes}/values/A1").json()["values"] == [["meanwhile"]]


def test_requests_are_counted_and_forgotten_and_the_admin_api_is_not_among_them(sandbox, admin, codes, rest):
    rest.get(f"/v4/spreadsheets/{codes}")
    told = admin.get("/requests", params={"vendor": "google"}).json()
    assert told["counts"] == {"read": 1, "write": 0}
    (entry,) = told["requests"]
    assert (entry["kind"], entry["path"], entry["status"]) == ("read", f"/v4/spreadsheets/{codes}", 200)
    assert entry["account"].endswith("gserviceaccount.com")
    assert admin.delete("/requests").json() == {"counts": {"read": 0, "write": 0}, "requests": []}


def test_a_service_account_made_over_http_can_sign_in(sandbox, admin):
    key = admin.post("/service-accounts", json={"email": "robot@example.com"}).json()
    assert key["client_email"] == "robot@example.com"
    assert key["token_uri"] == f"{sandbox.url}/token"
    assert admin.post("/service-accounts", json={"email": "nobody"}).status_code == 400


def test_another_sites_form_cannot_edit(admin, codes):
    answer = admin.post(
        f"/spreadsheets/{codes}/edits",
        content='{"edits": [{"op": "clear", "cells": "A:Z"}]}',
        headers={"content-type": "text/plain"},
    )
    assert answer.status_code == 415


def test_the_pulse_tells_which_cells_the_api_changed(sandbox, admin, codes, rest):
    before = admin.get(f"/spreadsheets/{codes}/pulse").json()
    put = {"values": [["b", 3], ["a", 1]]}
    rest.put(f"/v4/spreadsheets/{codes}/values/Main!A1", params={"valueInputOption": "RAW"}, json=put)
    sandbox.google.spreadsheet(codes).tab().type("C1", "a person's")
    after = admin.get(f"/spreadsheets/{codes}/pulse", params={"since": before["version"], "sheet_id": 0}).json()
    assert after["changed"] == [[0, 1]]
    assert after["version"] > before["version"]
    assert after["requests"] == {"read": 0, "write": 1}


def test_everything_can_be_forgotten(sandbox, admin, codes):
    assert admin.delete("/world").status_code == 200
    assert admin.get("/spreadsheets").json() == []
