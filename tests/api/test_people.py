"""People sign in to the pages: with the link that sets a password, with the password, through OpenID Connect."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from b2b_pipelines.api.app import create_app
from b2b_pipelines.db.engine import Database
from b2b_pipelines.people import service
from b2b_pipelines.people.rules import Role
from b2b_pipelines.settings import Settings
from tests.api.conftest import serving
from tests.api.provider import Provider
from tests.shop import Shop

PASSWORD = "a few words in a row"


@pytest.fixture
def visitor(api_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api_url) as client:
        yield client


def added(database: Database, email: str = "jo@example.com", role: Role = Role.MANAGER) -> str:
    """A person, and the path of their link."""
    with database.session() as session:
        _, secret = service.add(session, email, role, datetime.now(UTC))
        return f"/welcome/{secret}"


def form_of(visitor: httpx.Client, path: str) -> str:
    found = re.search(r'name="form" value="([^"]+)"', visitor.get(path).text)
    assert found
    return found[1]


def welcome(visitor: httpx.Client, link: str, password: str = PASSWORD, again: str | None = None) -> httpx.Response:
    form = {"form": form_of(visitor, link), "password": password, "again": password if again is None else again}
    return visitor.post(link, data=form)


def sign_in(visitor: httpx.Client, email: str, password: str, **more: str) -> httpx.Response:
    form = {"form": form_of(visitor, "/sign-in"), "email": email, "password": password, **more}
    return visitor.post("/sign-in/password", data=form)


def test_a_link_sets_a_password_once_and_signs_in(visitor: httpx.Client, database: Database):
    link = added(database)
    assert "jo@example.com" in visitor.get(link).text
    assert welcome(visitor, link).headers["location"] == "/"
    assert "jo@example.com" in visitor.get("/").text
    visitor.cookies.clear()
    assert visitor.get(link).status_code == 404
    assert sign_in(visitor, "JO@example.com", PASSWORD, next="/docs").headers["location"] == "/docs"
    assert visitor.get("/").status_code == 200


@pytest.mark.parametrize(
    ("password", "again", "says"),
    [("short", "short", "12 to 200"), (PASSWORD, "another one entirely", "differ"), ("aaaaaaaaaaaaaaa", None, "easy")],
)
def test_a_password_that_is_not_accepted_leaves_the_link(
    visitor: httpx.Client, database: Database, password: str, again: str | None, says: str
):
    link = added(database)
    refused = welcome(visitor, link, password, again)
    assert (refused.status_code, says in refused.text) == (400, True)
    assert welcome(visitor, link).status_code == 303


def test_a_link_ends_after_three_days_and_with_the_next_one(visitor: httpx.Client, database: Database, shop: Shop):
    first, second = added(database), added(database)
    assert visitor.get(first).status_code == 404
    shop.run("UPDATE person_link SET expires_at = now() - interval '1 s'")
    assert visitor.get(second).status_code == 404


def test_a_wrong_password_and_an_unknown_address_are_refused_alike(visitor: httpx.Client, database: Database):
    welcome(visitor, added(database))
    visitor.cookies.clear()
    wrong = sign_in(visitor, "jo@example.com", "not the password")
    unknown = sign_in(visitor, "kim@example.com", "not the password")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text == unknown.text
    assert visitor.get("/").status_code == 303


def test_after_five_wrong_passwords_the_right_one_waits_too(visitor: httpx.Client, database: Database, shop: Shop):
    welcome(visitor, added(database))
    visitor.cookies.clear()
    for _ in range(5):
        assert sign_in(visitor, "jo@example.com", "not the password").status_code == 401
    shop.run("UPDATE person SET blocked_until = now() + interval '10 s' WHERE blocked_until IS NOT NULL")
    assert sign_in(visitor, "jo@example.com", PASSWORD).status_code == 401
    shop.run("UPDATE person SET blocked_until = now() - interval '1 s'")
    assert sign_in(visitor, "jo@example.com", PASSWORD).status_code == 303
    assert shop.run("SELECT failures FROM person") == [0]


def test_who_is_removed_is_signed_out_at_once_and_a_new_role_counts_at_once(
    visitor: httpx.Client, database: Database, shop: Shop
):
    sold = shop.sell(cap=1)
    shop.attach(sold.every_code[0], "learner@example.com")
    welcome(visitor, added(database))
    assert visitor.get(f"/contracts/{sold.slug}").status_code == 200
    with database.session() as session:
        secret = visitor.cookies["b2b_session"]
        caller = service.recognize_session(session, secret, datetime.now(UTC))
        assert caller is not None
        [person] = shop.run("SELECT id FROM person")
        assert (caller.sees_emails, "manage" in caller.scopes, caller.person_id) == (True, True, person)
        service.add(session, "jo@example.com", Role.VIEWER, datetime.now(UTC))
    with database.session() as session:
        caller = service.recognize_session(session, secret, datetime.now(UTC))
        assert caller is not None
        assert caller.scopes == {"read"}
        service.remove(session, "jo@example.com")
    assert visitor.get("/").status_code == 303
    assert shop.run("SELECT count(*) FROM person_session") == [0]


def test_a_session_ends_with_signing_out_and_after_its_time(visitor: httpx.Client, database: Database, shop: Shop):
    welcome(visitor, added(database))
    form = form_of(visitor, "/")
    assert visitor.post("/sign-out", data={"form": form}).status_code == 303
    assert visitor.get("/").status_code == 303
    sign_in(visitor, "jo@example.com", PASSWORD)
    with database.session() as session:
        later = datetime.now(UTC) + timedelta(hours=13)
        assert service.recognize_session(session, visitor.cookies["b2b_session"], later) is None


def test_no_secret_is_kept_as_it_is(visitor: httpx.Client, database: Database, shop: Shop):
    link = added(database)
    welcome(visitor, link)
    rows = " ".join(
        str(row)
        for table in ("person", "person_link", "person_session")
        for row in shop.run(f"SELECT {table}::text FROM {table}")
    )
    assert PASSWORD not in rows
    assert visitor.cookies["b2b_session"] not in rows
    assert link.rpartition("/")[2] not in rows
    assert "$argon2id$" in rows


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def through_provider(database: Database, provider: Provider, tmp_path) -> Iterator[httpx.Client]:
    settings = Settings(
        home=tmp_path, oidc_issuer=provider.issuer, oidc_client_id="b2b", oidc_client_secret="of the client"
    )
    with serving(create_app(settings, database)) as url, httpx.Client(base_url=url, follow_redirects=True) as client:
        yield client


def test_the_provider_signs_in_who_was_added_and_the_browser_goes_on_to_where_it_was(
    through_provider: httpx.Client, provider: Provider, database: Database
):
    added(database)
    provider.claims = {"sub": "42", "email": "Jo@example.com", "email_verified": True}
    page = through_provider.get("/contracts/nowhere")
    assert "Sign in with your organization" in page.text
    answer = through_provider.get("/sign-in/oidc", params={"next": "/docs"})
    assert (answer.status_code, answer.url.path) == (200, "/docs")
    assert "jo@example.com" in through_provider.get("/").text


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "42", "email": "stranger@example.com", "email_verified": True},
        {"sub": "42", "email": "jo@example.com", "email_verified": False},
        {"sub": "42", "email": "jo@example.com"},
        {"sub": "42", "email": "jo@example.com", "email_verified": True, "aud": "another"},
        {"sub": "42", "email": "jo@example.com", "email_verified": True, "nonce": "another"},
        {"sub": "42", "email": "jo@example.com", "email_verified": True, "exp": 1},
        {"sub": "42", "email": "jo@example.com", "email_verified": True, "iss": "https://elsewhere.example"},
    ],
    ids=["unknown", "not-verified", "says-nothing", "audience", "nonce", "expired", "issuer"],
)
def test_whom_the_provider_does_not_vouch_for_is_refused(
    through_provider: httpx.Client, provider: Provider, database: Database, claims: dict[str, object]
):
    added(database)
    provider.claims = claims
    assert through_provider.get("/sign-in/oidc").status_code == 403
    assert "Sign in with your organization" in through_provider.get("/").text


def test_an_address_that_was_given_to_somebody_else_does_not_sign_them_in(
    through_provider: httpx.Client, provider: Provider, database: Database
):
    added(database)
    provider.claims = {"sub": "42", "email": "jo@example.com", "email_verified": True}
    assert through_provider.get("/sign-in/oidc").status_code == 200
    through_provider.cookies.clear()
    provider.claims = {"sub": "43", "email": "jo@example.com", "email_verified": True}
    assert through_provider.get("/sign-in/oidc").status_code == 403


def test_a_callback_that_nobody_began_is_refused(through_provider: httpx.Client):
    assert through_provider.get("/sign-in/oidc/callback", params={"code": "x", "state": "y"}).status_code == 403


def test_without_a_provider_there_is_no_such_sign_in(visitor: httpx.Client):
    assert visitor.get("/sign-in/oidc").status_code == 404
