"""The graph is what was reviewed; `.venv/bin/python -m tests.orchestration.graph` takes a change of it over."""

from pathlib import Path

import yaml

from b2b_pipelines.definitions import defs
from b2b_pipelines.settings import PROJECT
from tests.orchestration.graph import SNAPSHOT, graph


def test_the_graph_is_the_one_that_was_reviewed() -> None:
    assert graph() == yaml.safe_load(SNAPSHOT.read_text(encoding="utf-8")), (
        "the graph has changed; if that is meant: .venv/bin/python -m tests.orchestration.graph"
    )


def test_every_asset_says_what_it_is_whose_it_is_and_what_it_holds() -> None:
    for name, asset in graph()["assets"].items():
        missing = [said for said in ("description", "group", "kinds", "owners") if not asset[said]]
        if not asset.get("external"):
            missing += [said for said in ("code version", "pool", "fresh within", "columns") if not asset[said]]
            if asset["group"] not in ("contracts", "sheets"):  # which `passing_failures` tries again
                missing += [] if asset["retries"] else ["retries"]
        assert not missing, name


def test_every_asset_refers_to_its_code() -> None:
    nodes = defs.get_repository_def().asset_graph
    for key in nodes.executable_asset_keys:
        [reference] = nodes.get(key).metadata["dagster/code_references"].code_references
        assert Path(reference.file_path).is_relative_to(PROJECT / "assets"), key


def test_every_check_says_what_it_claims() -> None:
    assert all(check["description"] for check in graph()["checks"].values())
