"""A webhook that takes what it is sent, processes of Dagster, and the surroundings of assets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from b2b_pipelines.db.embedded import EmbeddedPostgres
from tests.assets.conftest import deliver, key_file, sheets, surroundings
from tests.orchestration.processes import Processes, own_processes
from tests.webhook import Webhook, listening

__all__ = ["deliver", "key_file", "sheets", "surroundings"]


@pytest.fixture
def processes(tmp_path: Path, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """Processes of Dagster, with the settings of the fixtures that the test names before this one."""
    with own_processes(tmp_path, postgres, monkeypatch) as processes:
        yield processes


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """The server that `B2B_ALERT_WEBHOOK_URL` names."""
    with listening() as webhook:
        monkeypatch.setenv("B2B_ALERT_WEBHOOK_URL", webhook.url)
        yield webhook
