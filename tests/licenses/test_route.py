"""`GET /api/v1/expired-licenses/`, through its real server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx
import pytest

from b2b_pipelines.api.app import create_app
from b2b_pipelines.contracts.models import Organization
from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses.facts import EventName, LicenseStatus
from b2b_pipelines.settings import read_settings
from b2b_pipelines.tokens import service as tokens
from tests.api.conftest import serving
from tests.licenses.reference import HeldLicense, LicenseFacts, Plan

ONE, TWO = UUID(int=1), UUID(int=2)
EXPIRED = datetime.now(UTC).replace(microsecond=0) - timedelta(days=100)


@pytest.fixture
def url(database: Database, put: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("B2B_UNLINK_CUSTOMERS", str(ONE))
    plans = [Plan(UUID(int=10), ONE, EXPIRED), Plan(UUID(int=20), TWO, EXPIRED)]
    seats = [
        HeldLicense(UUID(int=100 + number), plan.uuid, LicenseStatus.ACTIVATED, f"jane{number}@example.com")
        for plan in plans
        for number in range(plan.uuid.int, plan.uuid.int + 5)
    ]
    seats[0] = replace(seats[0], address="no address")
    put(
        LicenseFacts(
            {plan.uuid: plan for plan in plans},
            {seat.uuid: seat for seat in seats},
            {(seats[0].uuid, EventName.TERMINATED, EXPIRED): EXPIRED},
        )
    )
    with serving(create_app(read_settings(), database)) as url:
        yield f"{url}/api/v1/expired-licenses/"


def ask(database: Database, url: str, *scopes: str, organization: str | None = None, **asked: object) -> httpx.Response:
    with database.session() as session:
        _, token = tokens.create(session, "a test", scopes, organization)
    parameters = {name: str(value) for name, value in asked.items()}
    return httpx.get(url, params=parameters, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def test_decisions_come_in_pages_with_masked_addresses(database: Database, url: str) -> None:
    first = ask(database, url, "read", page_size=6).json()
    second = httpx.get(urljoin(url, first["next"]), headers={"Authorization": "x"}, timeout=30)
    assert second.status_code == 401
    assert (first["count"], len(first["results"])) == (10, 6)
    assert {row["user_email"] for row in first["results"]} == {"•••", "j•••@example.com"}
    assert "jane" not in str(first)
    rest = ask(database, url, "read", page_size=6, page=2).json()
    assert rest["next"] is None
    assert len({row["license_uuid"] for row in first["results"] + rest["results"]}) == 10
    assert ask(database, url, "read", page=7).json()["count"] == 10


def test_addresses_are_shown_to_those_who_may_see_them(database: Database, url: str) -> None:
    shown = ask(database, url, "read", "emails").json()["results"]
    assert {"no address", "jane11@example.com"} <= {row["user_email"] for row in shown}


def test_decisions_are_narrowed_down(database: Database, url: str) -> None:
    assert ask(database, url, "read", customer=ONE).json()["count"] == 5
    assert ask(database, url, "read", plan=UUID(int=20)).json()["count"] == 5
    (due,) = ask(database, url, "read", decision="unlink").json()["results"]
    assert due["reason"].startswith("enrollments ended")
    assert ask(database, url, "read", customer=UUID(int=9)).json()["count"] == 0
    assert ask(database, url, "read", decision="perhaps").status_code == 400
    assert ask(database, url, "read", customer="x").status_code == 400


def test_who_may_not_is_refused(database: Database, url: str) -> None:
    assert httpx.get(url, timeout=30).status_code == 401
    assert ask(database, url, "attach").status_code == 403
    with database.session() as session:
        if session.query(Organization).count() == 0:
            session.add(Organization(name="Acme", slug="acme", org_key="ACME"))
    assert ask(database, url, "read", organization="ACME").status_code == 403
