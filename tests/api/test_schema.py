"""The API against its own OpenAPI document: every route is asked for what the document allows and for what it does not.

Beside the cases at the edge of each field, ten random examples a route; `SCHEMA_EXAMPLES=200` asks for more.
"""

import hashlib
import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import positive_data_acceptance
from schemathesis.specs.openapi.checks import ignored_auth

from b2b_pipelines.api.app import create_app
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import Settings, read_settings
from b2b_pipelines.tokens import service as tokens
from b2b_pipelines.tokens.rules import Scope
from tests.api.conftest import serving
from tests.api.pages_world import furnish
from tests.shop import Shop

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "10"))
BEYOND_THE_DOCUMENT = {
    "/api/v1/checkout-intents/": "a name and a slug come together",
    "/api/v1/academy-products/": "sync=true is refused in any case of its letters",
    "/api/v1/codes/": "a code or a learner is needed",
    "/api/v1/contracts/": "a sheet's address names a spreadsheet, and a contract starts before it ends",
    "/api/v1/contracts/{slug}/": "a sheet's address names a spreadsheet, and a contract starts before it ends",
    "/api/v1/contracts/{slug}/courseware/": "an id names a course, a run or a program",
    "/api/v1/contracts/{slug}/sheet/restore/": "before or a snapshot, not both",
    "/api/v1/organizations/": "a name without a Latin letter needs an org key",
}
"""Routes that refuse what the document cannot forbid."""

pytestmark = pytest.mark.long

TOKEN = "b2b_of_the_schema_tests"
schema = schemathesis.openapi.from_dict(create_app(Settings()).openapi())
schema.config.update(headers={"Authorization": f"Bearer {TOKEN}"})


@pytest.fixture
def api_url(database: Database) -> Iterator[str]:
    """A server of its own: the feed of academies is to find its database from the beginning."""
    with serving(create_app(read_settings(), database)) as url:
        yield url


@pytest.fixture
def furnished(shop: Shop) -> None:
    """Something to ask for, and a token that may do everything."""
    furnish(shop)
    with shop.database.session() as session:
        made, _ = tokens.create(session, "schema", list(Scope))
        made.token.text_hash = hashlib.sha256(TOKEN.encode()).hexdigest()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
def test_no_answer_breaks_what_the_document_promises(case: schemathesis.Case, api_url: str, furnished: None):
    # Every request carries the token above. `ignored_auth` takes it for a generated one where a route has header
    # parameters of its own; test_authorization.py tries each kind of token on each route.
    excluded = [ignored_auth, *([positive_data_acceptance] if case.path in BEYOND_THE_DOCUMENT else [])]
    case.call_and_validate(base_url=api_url, excluded_checks=excluded)
