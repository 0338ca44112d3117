"""Faults look like the real thing to real clients, and do what they say to the data."""

import http.client
import json
import socket

import httpx
import pytest
from googleapiclient.errors import HttpError

COPY = {"valueInputOption": "RAW"}


@pytest.fixture
def codes(sandbox):
    return sandbox.google.create_spreadsheet(tabs={"Sheet1": [["a", "b"], ["c", "d"]]})


@pytest.fixture
def put(rest, codes):
    return lambda text="new": rest.put(
        f"/v4/spreadsheets/{codes}/values/Sheet1!A1", params=COPY, json={"values": [[text]]}
    )


@pytest.fixture
def a1(sandbox, codes):
    return lambda: sandbox.google.spreadsheet(codes).tab().shown("A1")


def test_a_connection_cut_before_the_write_leaves_the_sheet_as_it_was(sandbox, put, a1):
    sandbox.faults.cut("before", kind="write")
    with pytest.raises(httpx.ReadError):
        put()
    assert a1() == "a"
    assert put().status_code == 200
    assert a1() == "new"


def test_a_connection_cut_after_the_write_leaves_it_written(sandbox, put, a1):
    sandbox.faults.cut("after", kind="write")
    with pytest.raises(httpx.ReadError):
        put()
    assert a1() == "new"
    (exchange,) = sandbox.log.entries(kind="write")
    assert (exchange.status, exchange.fault) == (None, "cut after")


def test_a_closed_connection_is_a_disconnect_without_an_answer(sandbox, put, a1):
    sandbox.faults.cut("after", manner="close")
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
        put()
    assert a1() == "new"


def test_a_connection_cut_partway_is_an_incomplete_read(sandbox, rest, codes):
    sandbox.faults.cut("after", manner="partway")
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", f"/v4/spreadsheets/{codes}", headers=dict(rest.headers) | {"accept-encoding": ""})
        with pytest.raises(http.client.IncompleteRead):
            connection.getresponse().read()
    finally:
        connection.close()


def test_httplib2_sends_a_write_again_when_the_connection_was_closed(sandbox, gsheets, codes):
    worksheet = gsheets.open_by_key(codes).sheet1
    sandbox.log.reset()
    sandbox.faults.cut("after", manner="close", kind="write")
    worksheet.append_table([["e", "f"]])
    assert sandbox.google.counts()["write"] == 2
    assert sandbox.google.spreadsheet(codes).tab().grid()[2:] == [["e", "f"], ["e", "f"]]


def test_httplib2_reports_a_reset(sandbox, gsheets, codes, a1):
    worksheet = gsheets.open_by_key(codes).sheet1
    sandbox.faults.cut("after", kind="write")
    with pytest.raises(ConnectionResetError):
        worksheet.update_value("A1", "new")
    assert a1() == "new"


def test_a_time_out_after_the_write_leaves_it_written(sandbox, sign_in, codes, a1):
    worksheet = sign_in(timeout=0.3).open_by_key(codes).sheet1
    sandbox.faults.delay(1, when="after", kind="write")
    with pytest.raises(TimeoutError):
        worksheet.update_value("A1", "new")
    assert a1() == "new"


def test_a_trickling_answer_arrives_whole(sandbox, rest, codes):
    sandbox.faults.trickle(0.2)
    answer = rest.get(f"/v4/spreadsheets/{codes}/values/Sheet1")
    assert answer.json()["values"] == [["a", "b"], ["c", "d"]]
    assert answer.elapsed.total_seconds() >= 0.2


@pytest.mark.parametrize("length", [1, 3000], ids=["plain", "compressed"])
def test_malformed_json_comes_with_status_200(sandbox, rest, codes, put, length):
    put("x" * length)
    sandbox.faults.malformed()
    answer = rest.get(f"/v4/spreadsheets/{codes}/values/Sheet1")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_status_comes_in_googles_words_as_often_as_asked(sandbox, put, a1):
    sandbox.faults.answer(429, times=2, kind="write", headers={"Retry-After": "2"})
    first, second, third = put(), put(), put()
    assert [answer.status_code for answer in (first, second, third)] == [429, 429, 200]
    assert first.headers["retry-after"] == "2"
    assert first.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert a1() == "new"


def test_pygsheets_sees_a_503_as_an_http_error(sandbox, gsheets, codes):
    sandbox.faults.answer(503, path=codes)
    with pytest.raises(HttpError) as caught:
        gsheets.open_by_key(codes)
    assert caught.value.resp.status == 503


def test_a_fault_waits_for_the_requests_that_it_is_meant_for(sandbox, rest, codes, put):
    sandbox.faults.answer(500, "<html>oops</html>", kind="read", skip=1)
    read = lambda: rest.get(f"/v4/spreadsheets/{codes}").status_code  # noqa: E731
    assert [put().status_code, read(), read(), read()] == [200, 200, 500, 200]
    assert sandbox.faults.waiting() == []


def test_a_person_can_edit_between_a_read_and_what_follows(sandbox, rest, codes, a1):
    tab = sandbox.google.spreadsheet(codes).tab()
    sandbox.faults.call(lambda: tab.type("A1", "edited"), kind="read")
    assert rest.get(f"/v4/spreadsheets/{codes}/values/A1").json()["values"] == [["a"]]
    assert a1() == "edited"


def test_latency_slows_every_answer(sandbox, rest, codes):
    sandbox.faults.latency = 0.15
    assert rest.get(f"/v4/spreadsheets/{codes}").elapsed.total_seconds() >= 0.15


def test_stopping_does_not_wait_for_a_slow_answer(sandbox):
    from sandbox.server import Sandbox

    other = Sandbox().start()
    other.faults.delay(60)
    host, _, port = other.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /v4/spreadsheets/x HTTP/1.1\r\nHost: x\r\n\r\n")
        while not other.log.entries():
            pass
        other.stop()
    assert other.log.entries()[0].status is None
