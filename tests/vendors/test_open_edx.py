"""Signing in to Open edX, and the LMS's enterprise endpoints, over HTTP against the stand-in."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from b2b_pipelines.vendors.http.client import Patience
from b2b_pipelines.vendors.http.errors import AnswerMalformed, SignInUnavailable, VendorRefused, VendorUnavailable
from b2b_pipelines.vendors.open_edx import AddressesRefused, ClientCredentials, EnrollmentsNotEnded, EnterpriseLms
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET, callers
from sandbox.server import Sandbox

CUSTOMER = UUID(int=1)
QUICK = Patience(first_wait=0.005)


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    sandbox.lms.link(CUSTOMER, ["jane@example.com"])
    return sandbox


@pytest.fixture
def credentials(sandbox: Sandbox) -> Iterator[ClientCredentials]:
    credentials = ClientCredentials(sandbox.lms.url, CLIENT_ID, CLIENT_SECRET, patience=QUICK)
    yield credentials
    credentials.close()


@pytest.fixture
def lms(sandbox: Sandbox, credentials: ClientCredentials) -> Iterator[EnterpriseLms]:
    client = EnterpriseLms(sandbox.lms.url, credentials, patience=QUICK)
    yield client
    client.close()


def sign_ins(sandbox: Sandbox) -> int:
    return sandbox.log.counts(vendor="lms").get("token", 0)


def test_one_token_serves_all_threads(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    threads = [threading.Thread(target=lms.is_linked, args=(CUSTOMER, "jane@example.com")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sign_ins(sandbox) == 1
    assert sandbox.log.counts(vendor="lms")["read"] == 8


@pytest.mark.parametrize(("seconds", "asked"), [(5, 2), (6, 1)])
def test_a_token_is_used_until_five_seconds_before_its_end(
    sandbox: Sandbox, credentials: ClientCredentials, seconds: int, asked: int
) -> None:
    sandbox.lms.accounts.token_seconds = seconds
    credentials.header()
    credentials.header()
    assert sign_ins(sandbox) == asked


def test_a_401_gets_a_new_token_once(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    lms.is_linked(CUSTOMER, "jane@example.com")
    sandbox.lms.accounts.expire_tokens()
    assert lms.is_linked(CUSTOMER, "jane@example.com")
    assert sign_ins(sandbox) == 2


def test_a_second_401_is_an_answer(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    sandbox.faults.answer(401, vendor="lms", kind="read", times=10)
    with pytest.raises(VendorRefused) as raised:
        lms.is_linked(CUSTOMER, "jane@example.com")
    assert raised.value.status == 401
    assert sign_ins(sandbox) == 2
    assert sandbox.log.counts(vendor="lms")["read"] == 2


def test_a_wrong_secret_is_refused_with_what_to_check(sandbox: Sandbox) -> None:
    wrong = ClientCredentials(sandbox.lms.url, CLIENT_ID, "guess", patience=QUICK)
    with pytest.raises(VendorRefused, match="B2B_OAUTH_CLIENT_ID") as raised:
        wrong.header()
    assert "guess" not in raised.value.message
    wrong.close()


def test_signing_in_is_given_up_after_five_attempts_in_all(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    sandbox.faults.answer(503, vendor="lms", kind="token", times=100)
    with pytest.raises(SignInUnavailable):
        lms.is_linked(CUSTOMER, "jane@example.com")
    assert sign_ins(sandbox) == 5


@pytest.mark.parametrize("body", [{}, {"access_token": "x"}, {"access_token": "x", "expires_in": "soon"}, [], "", None])
def test_an_answer_without_a_token_is_malformed(sandbox: Sandbox, credentials: ClientCredentials, body: object) -> None:
    sandbox.faults.answer(200, body="null" if body is None else body, vendor="lms", kind="token")
    with pytest.raises(AnswerMalformed):
        credentials.header()


def test_a_lifetime_that_comes_as_text_is_a_number(sandbox: Sandbox, credentials: ClientCredentials) -> None:
    sandbox.faults.answer(200, body={"access_token": "x", "expires_in": "3600"}, vendor="lms", kind="token")
    assert credentials.header() == credentials.header() == "JWT x"
    assert sign_ins(sandbox) == 1


def test_expirations_are_sent_as_the_lms_wants_them(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    lms.expire_enrollments([UUID(int=7)], ignore_modified_after=datetime(2026, 1, 31, tzinfo=UTC))
    lms.expire_enrollments([UUID(int=8)], ignore_modified_after=None)
    assert [(each.licenses, each.ignore_modified_after) for each in sandbox.lms.expirations] == [
        ((str(UUID(int=7)),), "2026-01-31T00:00:00+00:00"),
        ((str(UUID(int=8)),), None),
    ]


def test_unlinking_always_says_that_they_may_be_linked_again(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    lms.unlink(CUSTOMER, ["jane@example.com", "stranger@example.com"])
    assert sandbox.lms.unlinkings[0].is_relinkable is True
    assert sandbox.lms.linked(CUSTOMER) == set()


def test_whether_somebody_is_linked_is_read_to_the_last_page(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    sandbox.lms.link(CUSTOMER, [f"p{number:02}@example.com" for number in range(35)])
    assert lms.is_linked(CUSTOMER, "P34@example.com")
    assert not lms.is_linked(CUSTOMER, "p35@example.com")


@pytest.mark.parametrize(
    "answer",
    [{"count": 1, "results": None, "next": None}, {"next": None}, {"count": 1, "results": ["x"], "next": None}, 7],
)
def test_a_listing_that_is_none_never_means_unlinked(sandbox: Sandbox, lms: EnterpriseLms, answer: object) -> None:
    sandbox.faults.answer(200, body=answer, vendor="lms", kind="read")
    with pytest.raises(AnswerMalformed):
        lms.is_linked(CUSTOMER, "jane@example.com")


def test_half_an_answer_is_malformed_and_a_cut_one_is_tried_again(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    sandbox.faults.malformed(vendor="lms", kind="read")
    with pytest.raises(AnswerMalformed):
        lms.is_linked(CUSTOMER, "jane@example.com")
    sandbox.faults.cut("after", "partway", vendor="lms", kind="read", times=2)
    assert lms.is_linked(CUSTOMER, "jane@example.com")


def test_a_time_out_given_as_text_is_a_number(sandbox: Sandbox, credentials: ClientCredentials) -> None:
    client = EnterpriseLms(sandbox.lms.url, credentials, timeout="0.05", patience=Patience(attempts=1))  # type: ignore[arg-type]
    sandbox.faults.delay(0.3, vendor="lms", kind="read")
    with pytest.raises(VendorUnavailable):
        client.is_linked(CUSTOMER, "jane@example.com")
    client.close()


def test_learners_are_found_by_user_id_whatever_their_address(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    sandbox.lms.link(CUSTOMER, {f"p{number:03}@example.com": 5_000 + number for number in range(250)})
    sandbox.lms.rename("p007@example.com", "renamed@example.com")
    lms.unlink(CUSTOMER, ["p000@example.com", "p007@example.com"])
    sandbox.log.reset()
    linked = lms.linked_users(CUSTOMER, [5_000 + number for number in range(250)])
    assert sorted(learner.user_id or 0 for learner in linked) == [5_001 + number for number in range(249)]
    assert [learner.email for learner in linked if learner.user_id == 5_007] == ["renamed@example.com"]
    assert sandbox.log.counts(vendor="lms")["read"] == 3, "100 user ids a request"


def test_a_server_that_ignores_user_ids_confirms_only_the_users_asked_for(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    rows = [{"user": {"id": number, "email": f"p{number}@example.com"}} for number in range(1, 6)]
    sandbox.faults.answer(200, {"count": 5, "results": rows, "next": None}, vendor="lms", kind="read")
    assert [learner.user_id for learner in lms.linked_users(CUSTOMER, [2, 99])] == [2]


def test_a_caller_who_is_not_staff_sees_no_learner(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    assert lms.lists_anybody(CUSTOMER)
    sandbox.lms.accounts.act_as(callers.OPERATOR_NOT_STAFF)
    assert not lms.lists_anybody(CUSTOMER)
    assert not lms.is_linked(CUSTOMER, "jane@example.com")


def test_the_places_of_refused_addresses_are_those_of_the_list_that_was_sent(
    sandbox: Sandbox, lms: EnterpriseLms
) -> None:
    addresses = ["jane@example.com", "no address", "kim@example.com", "@"]
    with pytest.raises(AddressesRefused) as raised:
        lms.unlink(CUSTOMER, addresses)
    assert raised.value.places.keys() == {1, 3}
    assert sandbox.lms.linked(CUSTOMER) == {"jane@example.com"}
    assert not any(address in raised.value.message for address in addresses[:3])


@pytest.mark.parametrize(
    "body", [{"user_emails": {"7": ["x"]}}, {"user_emails": {"x": ["y"]}}, {"user_emails": ["x"]}, {"detail": "x"}, "x"]
)
def test_places_that_are_not_in_the_list_are_not_believed(sandbox: Sandbox, lms: EnterpriseLms, body: object) -> None:
    sandbox.faults.answer(400, body, vendor="lms", kind="write")
    with pytest.raises(AddressesRefused) as raised:
        lms.unlink(CUSTOMER, ["jane@example.com", "kim@example.com"])
    assert raised.value.places == {}


def test_expiration_tells_apart_done_partly_done_and_broken(sandbox: Sandbox, lms: EnterpriseLms) -> None:
    sound, stuck, broken = UUID(int=7), UUID(int=8), UUID(int=9)
    sandbox.lms.stuck, sandbox.lms.broken = {str(stuck)}, {str(broken)}
    with pytest.raises(EnrollmentsNotEnded) as raised:
        lms.expire_enrollments([sound, stuck], ignore_modified_after=None)
    assert raised.value.status == 422
    assert sandbox.lms.ended() == {str(sound)}
    sandbox.log.reset()
    with pytest.raises(VendorUnavailable) as unavailable:
        lms.expire_enrollments([sound, broken], ignore_modified_after=None, patience=Patience(attempts=1))
    assert unavailable.value.status == 500
    assert sandbox.log.counts(vendor="lms")["write"] == 1
    lms.expire_enrollments([sound], ignore_modified_after=None)
