"""The commands, run in this process with the test's database."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import typer

from b2b_pipelines.cli import codes, console, contract, listing, main

PROGRAMS: dict[str, typer.Typer] = {
    "b2b": main.commands(),
    "b2b_contract": contract.commands,
    "b2b_list": listing.commands,
    "b2b_codes": codes.commands,
}


@dataclass(frozen=True)
class Ran:
    """The output and exit status of a command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, database_url: str) -> Run:
    """Run a command line; `run("b2b_list contracts", "--json")`. Words with spaces are arguments of their own."""
    monkeypatch.setenv("B2B_DATABASE_URL", database_url)

    def run(words: str, *more: str) -> Ran:
        program, *arguments = [*words.split(), *more]
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            console.run(PROGRAMS[program], program, arguments)
        out, err = capfd.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run
