"""Resources show their settings in the UI, secrets by the name of their variable, and work from the environment alone."""

import os
import subprocess
import sys

import pytest

from b2b_pipelines.settings import PROJECT
from resources.fields import settings_of
from resources.stripe import StripeResource
from resources.urgency import NORMAL, ROUTINE, URGENT, share_of_pace

SHOWN = """
import warnings
warnings.simplefilter("ignore")
from b2b_pipelines.definitions import defs
resource = defs.get_repository_def().get_top_level_resources()["stripe"]
print(resource.config_schema.as_field().default_value_as_json_str if resource.config_schema.as_field().default_provided else "")
"""


def test_a_field_wins_and_without_it_the_environment_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2B_STRIPE_API_KEY", "sk_test_1")
    alone = settings_of(StripeResource())
    assert alone.stripe_api_key is not None
    assert alone.stripe_api_key.get_secret_value() == "sk_test_1"
    chosen = settings_of(StripeResource(stripe_api_key="sk_test_2", stripe_api_url="https://stripe.example.test"))
    assert chosen.stripe_api_key is not None
    assert chosen.stripe_api_key.get_secret_value() == "sk_test_2"
    assert chosen.stripe_api_url == "https://stripe.example.test"


@pytest.mark.long
def test_what_the_ui_is_given_names_the_variable_and_not_the_secret() -> None:
    environment = {**os.environ, "B2B_STRIPE_API_KEY": "sk_test_very_secret"}
    shown = subprocess.run(
        [sys.executable, "-c", SHOWN], env=environment, cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert "B2B_STRIPE_API_KEY" in shown
    assert "very_secret" not in shown


@pytest.mark.parametrize(
    ("tags", "share"),
    [
        pytest.param({}, 1, id="a-click-on-few"),
        pytest.param(URGENT, 1, id="a-changed-contract"),
        pytest.param(NORMAL, 1, id="small-and-on-time"),
        pytest.param({"dagster/backfill": "b"}, 0.9, id="a-backfill"),
        pytest.param(ROUTINE, 0.75, id="a-refresh"),
        pytest.param({**ROUTINE, "dagster/backfill": "b"}, 0.75, id="a-backfill-that-is-called-routine"),
    ],
)
def test_who_waits_longer_takes_less_of_googles_pace(tags: dict[str, str], share: float) -> None:
    assert share_of_pace(tags) == share
