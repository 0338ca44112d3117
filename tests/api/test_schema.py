"""The API against its own OpenAPI document: every route is asked for what the document allows and for what it does not.

Ten examples a route, to keep the suite quick; `SCHEMA_EXAMPLES=200` asks for more.
"""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from b2b_pipelines.api.app import create_app
from b2b_pipelines.settings import Settings
from tests.api.conftest import Connect
from tests.api.pages_world import furnish
from tests.shop import Shop

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "10"))
schema = schemathesis.openapi.from_dict(create_app(Settings()).openapi())


@pytest.fixture
def headers(connect: Connect, shop: Shop) -> dict[str, str]:
    furnish(shop)
    client = connect("read", "emails", "attach", "checkout", "provisioning", "metrics")
    return {"Authorization": client.headers["Authorization"]}


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
def test_no_answer_breaks_what_the_document_promises(case: schemathesis.Case, api_url: str, headers: dict[str, str]):
    case.call_and_validate(base_url=api_url, headers=headers)


def test_every_route_says_what_it_is_for_and_shows_an_example():
    document = create_app(Settings()).openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), (method, path)
            for content in (operation.get("requestBody", {}).get("content") or {}).values():
                assert "examples" in content or "stripe" in path or "checkout-intents" in path, (method, path)
