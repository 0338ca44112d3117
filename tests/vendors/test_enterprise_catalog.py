"""The enterprise-catalog client against the stand-in, over real HTTP."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from b2b_pipelines.vendors.enterprise_catalog import QUIET_PASSES, EnterpriseCatalog
from b2b_pipelines.vendors.http.client import Patience
from b2b_pipelines.vendors.http.errors import AnswerMalformed, ListUnsettled, VendorRefused, VendorUnavailable
from b2b_pipelines.vendors.open_edx import ClientCredentials
from sandbox.enterprise_catalog import academy, catalog
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET, callers
from sandbox.server import Sandbox

CUSTOMER = UUID("378d5bf0-f67d-4bf7-8b2a-cbbc53d0f772")


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[EnterpriseCatalog]:
    patience = Patience(attempts=3, total_wait=1, first_wait=0.01)
    credentials = ClientCredentials(sandbox.lms.url, CLIENT_ID, CLIENT_SECRET, timeout=2, patience=patience)
    with EnterpriseCatalog(sandbox.enterprise_catalog.url, credentials, timeout=2, patience=patience) as client:
        yield client
    credentials.close()


def requests(sandbox):
    return sandbox.log.counts(vendor="enterprise_catalog")["read"]


def titles(rows):
    return sorted(row["title"] for row in rows)


def test_250_academies_in_pages_without_a_stable_order_are_all_there_once(sandbox, client):
    rows = [academy(f"Academy {number:03}") for number in range(250)]
    sandbox.enterprise_catalog.put(CUSTOMER, rows)
    assert titles(client.academies(CUSTOMER)) == titles(rows)
    assert 3 < requests(sandbox) <= 3 * 30


def test_a_stable_list_is_read_once(sandbox, client):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy(f"Academy {number:03}") for number in range(250)])
    sandbox.enterprise_catalog.unstable = False
    assert len(client.academies(CUSTOMER)) == 250
    assert requests(sandbox) == 3


def test_the_customer_is_always_named(sandbox, client):
    client.read(CUSTOMER)
    assert (
        sandbox.enterprise_catalog.asked
        == [{"enterprise_customer": str(CUSTOMER), "page": "1", "page_size": "100"}] * 2
    )


def test_the_same_content_has_the_same_hash_whatever_its_order(sandbox, client):
    rows = [academy(f"Academy {number:03}") for number in range(120)]
    sandbox.enterprise_catalog.put(CUSTOMER, rows, [catalog("All", CUSTOMER, catalog_query_id=7)])
    first, again = client.read(CUSTOMER), client.read(CUSTOMER)
    assert first == again
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Academy 000", long_description="Another"), *rows[1:]])
    assert client.read(CUSTOMER).content_hash != first.content_hash


def test_rows_that_are_no_academy_are_passed_on_and_counted(sandbox, client):
    bad = [None, "text", 7, {}, {}, {"title": "Nameless"}]
    rows = [academy(f"Academy {number:03}") for number in range(140)]
    sandbox.enterprise_catalog.put(CUSTOMER, [*bad, *rows])
    sandbox.enterprise_catalog.unstable = False
    found = client.academies(CUSTOMER)
    assert len(found) == 146
    assert [row for row in found if row == {}] == [{}, {}]
    sandbox.enterprise_catalog.unstable = True
    assert titles(row for row in client.academies(CUSTOMER) if isinstance(row, dict) and "uuid" in row) == titles(rows)


def test_catalogs_keep_their_order_over_pages(sandbox, client):
    catalogs = [catalog(f"Catalog {number}", CUSTOMER) for number in range(130, 0, -1)]
    sandbox.enterprise_catalog.put(CUSTOMER, [], catalogs)
    assert client.catalogs(CUSTOMER) == catalogs


def test_a_page_that_fails_for_a_moment_is_asked_again(sandbox, client):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data")])
    sandbox.faults.answer(503, times=2, vendor="enterprise_catalog")
    assert titles(client.academies(CUSTOMER)) == ["Data"]


def test_a_second_page_that_fails_fails_the_whole(sandbox, client):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy(f"Academy {number:03}") for number in range(150)])
    sandbox.faults.answer(500, times=9, skip=1, vendor="enterprise_catalog")
    with pytest.raises(VendorUnavailable, match="500"):
        client.academies(CUSTOMER)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"detail": "hello"}, id="no-envelope"),
        pytest.param([], id="a-list"),
        pytest.param({"count": 1, "next": None, "results": {}}, id="results-no-list"),
        pytest.param({"count": "1", "next": None, "results": []}, id="count-no-number"),
        pytest.param({"count": 0, "results": []}, id="no-next"),
        pytest.param("<html>", id="a-web-page"),
    ],
)
def test_an_answer_that_is_no_page_is_never_read_as_an_empty_one(sandbox, client, body):
    sandbox.faults.answer(200, body, vendor="enterprise_catalog")
    with pytest.raises(AnswerMalformed):
        client.academies(CUSTOMER)


def test_a_list_whose_pages_never_end_is_given_up(sandbox, client):
    page = {"count": 5, "next": "https://there.is/more", "previous": None, "results": [academy("Data")]}
    sandbox.faults.answer(200, page, times=99, vendor="enterprise_catalog")
    with pytest.raises(AnswerMalformed, match="more pages"):
        client.academies(CUSTOMER)
    assert requests(sandbox) == 5


def test_a_list_that_never_has_as_many_as_it_counts_is_told(sandbox, client):
    page = {"count": 3, "next": None, "previous": None, "results": [academy("Data"), academy("Data")]}
    sandbox.faults.answer(200, page, times=99, vendor="enterprise_catalog")
    with pytest.raises(ListUnsettled, match="counts 3 academies and lists 1"):
        client.academies(CUSTOMER)
    assert requests(sandbox) == 1 + QUIET_PASSES


def test_a_list_that_shrinks_while_it_is_read_is_told_and_may_pass(sandbox, client):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy(f"Academy {number:03}") for number in range(150)])
    sandbox.faults.call(lambda: sandbox.enterprise_catalog.put(CUSTOMER, []), vendor="enterprise_catalog")
    with pytest.raises(ListUnsettled):
        client.academies(CUSTOMER)


def test_a_refused_customer_is_told_at_once(sandbox, client):
    sandbox.faults.answer(403, {"detail": "no"}, vendor="enterprise_catalog")
    with pytest.raises(VendorRefused):
        client.academies(CUSTOMER)
    assert requests(sandbox) == 1


def test_a_token_that_was_revoked_is_renewed(sandbox, client):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data")])
    client.academies(CUSTOMER)
    sandbox.lms.accounts.expire_tokens()
    assert titles(client.academies(CUSTOMER)) == ["Data"]


@pytest.mark.parametrize(
    ("caller", "note"),
    [
        (callers.NO_ROLE, "403"),
        (callers.STAFF_WITHOUT_ROLE, "lists no catalogs"),
        (callers.learner_of(str(CUSTOMER)), "403"),
    ],
    ids=["no-role", "staff-without-role", "learner"],
)
def test_catalogs_that_a_user_may_not_see_are_a_note_beside_the_academies(sandbox, client, caller, note):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data")], [catalog("All", CUSTOMER)])
    sandbox.lms.accounts.act_as(caller)
    answer = client.read(CUSTOMER)
    assert (len(answer.academies), answer.catalogs) == (1, [])
    assert note in answer.notes[0] and "enterprise_openedx_operator" in answer.notes[0]


def test_catalogs_that_fail_otherwise_fail_the_reading(sandbox, client):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data")], [catalog("All", CUSTOMER)])
    sandbox.faults.answer(500, vendor="enterprise_catalog", path="enterprise-catalogs", times=10)
    with pytest.raises(VendorUnavailable):
        client.read(CUSTOMER)
