"""Every recorded answer, served as it is: what the product's clients make of it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from b2b_pipelines.vendors.enterprise_catalog import EnterpriseCatalog
from b2b_pipelines.vendors.http.client import Patience
from b2b_pipelines.vendors.http.errors import AnswerMalformed, ListUnsettled, VendorRefused, VendorUnavailable
from b2b_pipelines.vendors.license_manager import LicenseManager, ListingIncomplete
from b2b_pipelines.vendors.open_edx import (
    AddressesRefused,
    ClientCredentials,
    EnrollmentsNotEnded,
    EnterpriseLms,
)
from b2b_pipelines.vendors.studio import RunKeyDiffers, RunRequest, Studio
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.server import Sandbox
from tests.recorded import Recorded, each_of, exchanges, named

FILES = {
    "license-manager": "license_manager",
    "lms-enterprise": "lms",
    "studio": "studio",
    "enterprise-catalog": "enterprise_catalog",
}
KEY = "course-v1:UAI_ACME+LEAD101+2026_C1"
MOMENT = datetime(2026, 12, 1, tzinfo=UTC)
ONE_LICENSE = UUID(int=7)
QUICK = Patience(first_wait=0.005)

NEVER_SENT = "the product never sends this request"
LEFT_OUT = dict.fromkeys(
    (
        "token-without-token-type",  # token_type=jwt is always sent
        "clone-missing-keys",
        "put-without-end",
        "rerun-exists",
        "rerun-exists-in-another-case",
        "rerun-null-end",
        "rerun-without-end",
        "rerun-without-schedule",
        "rerun-without-run",
        "rerun-bad-run",
        "rerun-unknown-source",
        "rerun-operator-not-staff",
        "expiration-get",
        "unlink-get",
        "catalogs-without-customer",
        "academies-without-customer",
        "licenses-unassigned",
        "licenses-status-left-out",
        "licenses-after-retirement-back-in-the-pool",
    ),
    NEVER_SENT,
)


class Clients:
    """The product's clients of every service, quick to try again, and not paced."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.signing_in = ClientCredentials(sandbox.lms.url, CLIENT_ID, CLIENT_SECRET, patience=QUICK)
        self.license_manager = LicenseManager(sandbox.license_manager.url, self.signing_in, patience=QUICK, rates=())
        self.lms = EnterpriseLms(sandbox.lms.url, self.signing_in, patience=QUICK)
        self.studio = Studio(sandbox.studio.url, self.signing_in, patience=QUICK)
        self.catalog = EnterpriseCatalog(sandbox.enterprise_catalog.url, self.signing_in, patience=QUICK)

    def close(self) -> None:
        for client in (self.license_manager, self.lms, self.studio, self.catalog, self.signing_in):
            client.close()

    def ask(self, exchange: Recorded) -> Any:
        """Do what leads to the recorded request."""
        path, query, body = exchange.request["path"], exchange.request["query"] or {}, exchange.request.get("body")
        if "oauth2" in path:
            return self.signing_in.header()
        if path.endswith("/customer-agreement/"):
            return self.license_manager.agreements(uuid_in(query.get("enterprise_customer_uuid")))
        if path.endswith("/licenses/"):
            return self.license_manager.licenses(uuid_in(path.split("/")[4]))
        if path.endswith("/bulk_licensed_enrollments_expiration/"):
            licenses = [uuid_in(each) for each in body.get("expired_license_uuids", [])]
            return self.lms.expire_enrollments(licenses, ignore_modified_after=MOMENT)
        if path.endswith("/unlink_users/"):
            return self.lms.unlink(uuid_in(path.split("/")[5]), [str(each) for each in body.get("user_emails", [])])
        if path.endswith("/enterprise-learner/"):
            return self.ask_for_learners(query)
        if path.endswith("/academies/"):
            return self.catalog.academies(uuid_in(query.get("enterprise_customer")))
        if path.endswith("/enterprise-catalogs/"):
            return self.catalog.catalogs(uuid_in(query.get("enterprise_customer")))
        if exchange.request["method"] == "GET":
            return self.studio.check_access()
        return self.studio.make_run(RunRequest("course-v1:UAI+LEAD101+SOURCE", KEY, "Leading Teams", start=MOMENT))

    def ask_for_learners(self, query: dict[str, str]) -> Any:
        customer = uuid_in(query["enterprise_customer_uuid"])
        if ids := query.get("user_ids"):
            numbers = [int(each) for each in ids.split(",") if each.isdecimal()] or [1]
            return self.lms.linked_users(customer, numbers)
        return self.lms.is_linked(customer, query["email"]) if "email" in query else self.lms.lists_anybody(customer)


def uuid_in(text: str | None) -> UUID:
    try:
        return UUID(text or "")
    except ValueError:
        return UUID(int=1)


@pytest.fixture
def clients(sandbox: Sandbox) -> Iterator[Clients]:
    clients = Clients(sandbox)
    yield clients
    clients.close()


def serve(sandbox: Sandbox, exchange: Recorded, *, times: int = 1, **matching: Any) -> None:
    """Answer with the recorded answer. A token or a listing of another kind is answered by the stand-in."""
    headers = {"content-type": "", **exchange.headers}
    method = exchange.request["method"]
    kind = "token" if "oauth2" in exchange.request["path"] else "read" if method == "GET" else "write"
    where = {"vendor": FILES[exchange.file], "kind": kind, "method": method, **matching}
    sandbox.faults.answer(exchange.status, exchange.raw, headers, times=times, **where)


Check = Callable[[Sandbox, Clients, Recorded], None]


def expects(error: type[Exception], *texts: str, **attributes: object) -> Check:
    """The check that asking raises that error, whose message holds these texts, as often as the answer comes."""

    def check(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
        serve(sandbox, exchange, times=50)
        with pytest.raises(error) as raised:
            clients.ask(exchange)
        assert all(text in str(raised.value) for text in texts), raised.value
        assert "example.com" not in str(raised.value)
        for name, value in attributes.items():
            assert getattr(raised.value, name) == value

    return check


def a_new_token_is_used_once(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
    good = NEXT_TO_A_REFUSAL.get(exchange.request["path"].rsplit("/", 2)[-2])
    serve(sandbox, exchange)
    if good is not None:
        serve(sandbox, good, method=exchange.request["method"])
    clients.ask(exchange)
    assert sandbox.log.counts(vendor="lms")["token"] == 2


def retry_after_is_obeyed(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
    asked = float(exchange.headers["retry-after"])
    patience = Patience(first_wait=0.005, total_wait=asked - 0.5)
    clients.license_manager.http.patience = clients.lms.http.patience = patience
    serve(sandbox, exchange)
    with pytest.raises(VendorUnavailable) as raised:
        clients.ask(exchange)  # it would have to wait for longer than it may
    assert (raised.value.status, raised.value.retry_after) == (429, asked)


def all_that_is_listed(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
    """The rows of a whole answer; a trimmed one, which counts more rows than it lists, is never taken for the whole."""
    serve(sandbox, exchange, times=50)
    is_part = len(exchange.body["results"]) < exchange.body["count"]
    if is_part and (exchange.body["next"] or "catalogs" not in exchange.name):
        with pytest.raises((ListingIncomplete, ListUnsettled, AnswerMalformed)):
            clients.ask(exchange)
        return
    listed = clients.ask(exchange)
    rows = exchange.body["results"]
    assert len(listed) == len(rows)
    if rows and "activation_key" in rows[0]:
        assert [(str(row.uuid), row.status, row.user_email) for row in listed] == [
            (row["uuid"], row["status"], row["user_email"]) for row in rows
        ]
        assert not any("key" in field for field in listed[0].__slots__), "the activation key is a secret"


def the_agreement_with_all_plans(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
    serve(sandbox, exchange)
    found = clients.ask(exchange)
    rows = exchange.body["results"]
    assert [str(agreement.uuid) for agreement in found] == [row["uuid"] for row in rows]
    for agreement, row in zip(found, rows, strict=True):
        assert (agreement.slug, agreement.name) == (row["enterprise_customer_slug"], None)
        assert agreement.lists_renewals
        assert {str(plan.uuid): plan.counts.given_out for plan in agreement.listed} == {
            plan["uuid"]: sum(plan["licenses"][status] for status in ("activated", "assigned", "revoked"))
            for plan in row["subscriptions"]
        }
        for plan in agreement.plans:
            assert (plan.for_internal_use_only, plan.plan_type) == (None, "Test")


def the_listing_says(answer: object) -> Check:
    def check(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
        serve(sandbox, exchange)
        assert clients.ask(exchange) == answer

    return check


def done(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
    serve(sandbox, exchange)
    assert clients.ask(exchange) is None


def a_token_comes(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
    serve(sandbox, exchange)
    assert clients.ask(exchange) == clients.ask(exchange) == f"JWT {exchange.body['access_token']}"


def the_run_is_made(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
    """The recorded answer to the clone or the PATCH; the other of the two is the stand-in's."""
    serve(sandbox, exchange, path=r"course_runs")
    if exchange.request["method"] == "POST":
        serve(sandbox, named("studio", "patch-title-and-partial-schedule"))
    clients.ask(exchange)
    sent = [entry.method for entry in sandbox.log.entries(vendor="studio")]
    assert sent == ["POST", "PATCH"], "a clone needs a PATCH after it"


def another_key_is_refused(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
    """The key of a run is taken from what was made, and compared with ours."""
    serve(sandbox, exchange, method="PATCH")
    with pytest.raises(RunKeyDiffers, match=r"course-v1:UAI\+LEAD101\+2026_C2, and not under") as raised:
        clients.ask(exchange)
    assert KEY in str(raised.value)


def users_of_both_rows(sandbox: Sandbox, clients: Clients, exchange: Recorded) -> None:
    serve(sandbox, exchange)
    linked = clients.ask(exchange)
    assert [learner.user_id for learner in linked] == [33, 32]


LISTED = {
    "learners-by-email": True,
    "learners-without-email": True,
    "learners-page-1-of-2": True,
    "learners-page-size-100": True,
    "learners-page-size-above-maximum": True,
    "learners-page-2-of-2": True,
    "learners-deactivated-customer": True,
    "learners-staff-without-role": True,
    "learners-email-as-the-account-has-it": True,
}
EMPTY = {
    "learners-unknown-email",
    "learners-pending-email",
    "learners-email-in-another-case",
    "learners-unknown-customer",
    "learners-operator-not-staff",
    "learners-no-role",
    "learners-admin-of-acme",
    "learners-after-unlinking",
}
BOTH_CAUSES = ("unknown or deactivated", "not Django staff")
SPECIAL: dict[str, Check] = {
    "token": a_token_comes,
    "token-with-slash": a_token_comes,
    **dict.fromkeys(
        ("token-wrong-secret", "token-unknown-client"), expects(VendorRefused, "check B2B_OAUTH_CLIENT_ID", status=401)
    ),
    **{name: the_listing_says(True) for name in LISTED},
    **{name: the_listing_says(False) for name in EMPTY},
    "learners-by-user-ids": users_of_both_rows,
    "expiration-one-refused": expects(EnrollmentsNotEnded, "the others are ended", status=422),
    "expiration-only-the-refused-one": expects(EnrollmentsNotEnded, status=422),
    "unlink-bad-address-first": expects(AddressesRefused, places={0: "Enter a valid email address."}),
    "unlink-bad-address-second": expects(AddressesRefused, places={1: "Enter a valid email address."}),
    "unlink-two-bad-addresses": expects(AddressesRefused, places=dict.fromkeys((0, 2), "Enter a valid email address.")),
    "unlink-blank-and-null": expects(
        AddressesRefused, places={0: "This field may not be blank.", 1: "This field may not be null."}
    ),
    "unlink-bad-address-unknown-customer": expects(AddressesRefused, places={0: "Enter a valid email address."}),
    **dict.fromkeys(
        ("unlink-no-addresses", "unlink-key-missing", "unlink-addresses-not-a-list"),
        expects(AddressesRefused, places={}),
    ),
    **dict.fromkeys(
        (
            "unlink-unknown-customer",
            "unlink-deactivated-customer",
            "unlink-customer-not-a-uuid",
            "unlink-operator-not-staff",
            "unlink-admin-of-acme",
        ),
        expects(VendorRefused, *BOTH_CAUSES, status=404),
    ),
    **dict.fromkeys(
        ("clone-done", "clone-exists", "clone-exists-in-another-case", "patch-title-and-partial-schedule"),
        the_run_is_made,
    ),
    "clone-unknown-source": expects(VendorRefused, "Source course does not exist.", status=400),
    **dict.fromkeys(
        ("patch-whole-schedule", "patch-null-enrollment-end", "patch-end-before-start", "patch-unknown-pacing"),
        the_run_is_made,
    ),
    "rerun-with-another-org": another_key_is_refused,
    "run-unknown": done,  # Django staff: Studio looked for the run
}


NEXT_TO_A_REFUSAL = {
    "bulk_licensed_enrollments_expiration": named("lms-enterprise", "expiration-done"),
    "unlink_users": named("lms-enterprise", "unlink-done"),
}


def check_of(exchange: Recorded) -> Check:
    """Return the check for an answer, by its name, else by its status."""
    if exchange.name in SPECIAL:
        return SPECIAL[exchange.name]
    if exchange.status == 401:
        return a_new_token_is_used_once
    if exchange.status == 429:
        return retry_after_is_obeyed
    if exchange.status >= 500:
        return expects(VendorUnavailable, status=500)
    if exchange.status >= 400:
        return expects(VendorRefused, status=exchange.status)
    if exchange.name.startswith("agreement-"):
        return the_agreement_with_all_plans
    return all_that_is_listed if isinstance(exchange.body, dict) and "results" in exchange.body else done


@pytest.mark.parametrize("exchange", each_of(*FILES, left_out=LEFT_OUT))
def test_a_client_does_what_it_must_with_a_recorded_answer(
    sandbox: Sandbox, clients: Clients, exchange: Recorded
) -> None:
    check_of(exchange)(sandbox, clients, exchange)


@pytest.mark.parametrize(
    "exchange",
    [
        named("license-manager", "throttled-burst"),
        named("license-manager", "throttled-sustained"),
        named("lms-enterprise", "throttled"),
    ],
    ids=lambda exchange: exchange.name,
)
def test_after_a_429_it_waits_as_long_as_it_is_asked_to_and_gets_the_answer(
    sandbox: Sandbox, clients: Clients, exchange: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("b2b_pipelines.vendors.http.client.time.sleep", waited.append)
    serve(sandbox, exchange)
    assert clients.ask(exchange) in ([], False)
    assert waited == [float(exchange.headers["retry-after"])]


def test_renewals_come_from_prior_renewals(sandbox: Sandbox, clients: Clients) -> None:
    exchange = named("license-manager", "agreement-with-prior-renewals")
    serve(sandbox, exchange)
    (agreement,) = clients.ask(exchange)
    titles = {plan.uuid: plan.title for plan in agreement.plans}
    assert [(titles[renewal.prior], titles[renewal.renewed]) for renewal in agreement.renewals] == [
        ("Chain 5 oldest", "Chain 6 middle"),
        ("Chain 6 middle", "Chain 7 newest, over"),
        ("Chain 1 renewed", "Chain 2 current"),
        ("Chain 3 renewal pending", "Chain 3b starts later"),
    ]
    starts = {plan.uuid: plan.start_date for plan in agreement.plans}
    assert all(renewal.effective_date == starts[renewal.renewed] for renewal in agreement.renewals)
    assert [titles[plan] for plan in agreement.renewals_without_plan] == ["Chain 4 renewal without plan"]


def test_a_plan_that_starts_at_its_end_is_refused_and_the_other_goes_on(sandbox: Sandbox, clients: Clients) -> None:
    exchange = named("license-manager", "agreement-plan-start-is-its-end")
    serve(sandbox, exchange)
    (agreement,) = clients.ask(exchange)
    assert [plan.title for plan in agreement.plans] == ["Zero other"]
    assert ["does not start" in plan.reason for plan in agreement.refused] == [True]


def test_plans_without_holders_are_recognized_by_their_counts(sandbox: Sandbox, clients: Clients) -> None:
    exchange = named("license-manager", "agreement-with-plans-of-every-kind")
    serve(sandbox, exchange)
    (agreement,) = clients.ask(exchange)
    assert [plan.title for plan in agreement.plans if plan.counts and not plan.counts.given_out] == ["Acme empty"]


def test_licenses_of_two_pages_are_read_by_page_number(sandbox: Sandbox, clients: Clients) -> None:
    """The recorded pages, filled up to their count. The host in `next` is one that cannot be reached."""
    first, second = (named("license-manager", f"licenses-page-{number}-of-2") for number in (1, 2))
    for exchange, size in ((first, 500), (second, 120)):
        rows = exchange.body["results"]
        filling = [{**rows[0], "uuid": str(UUID(int=size * 1000 + number))} for number in range(size - len(rows))]
        sandbox.faults.answer(200, {**exchange.body, "results": [*rows, *filling]}, vendor="license_manager")
    assert len(clients.ask(first)) == 620
    assert sandbox.log.counts(vendor="license_manager")["read"] == 2


def test_no_activation_key_is_in_a_message_of_a_malformed_row(sandbox: Sandbox, clients: Clients) -> None:
    exchange = named("license-manager", "licenses-of-current-plan")
    (row, *_) = exchange.body["results"]
    for wrong in ({"status": "lent"}, {"uuid": "x"}, {"user_email": 7}, {"activation_date": "secret-key"}):
        body = {**exchange.body, "results": [{**row, **wrong, "activation_key": "secret-key"}]}
        sandbox.faults.answer(200, body, vendor="license_manager")
        with pytest.raises(Exception, match="malformed") as raised:
            clients.ask(exchange)
        assert "secret-key" not in str(raised.value)


def test_every_recorded_exchange_is_replayed_or_named_as_left_out() -> None:
    names = [each.name for file in FILES for each in exchanges(file)]
    assert len(names) == 202
    assert len(LEFT_OUT) == 19
