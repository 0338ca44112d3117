"""CPU seconds of commands: `python -m benchmarks.commands`.

The median of five processes each, on an installation with three contracts and a sheet in the stand-in: the slowest helps
(by one call of each command's), every listing, and the plan of a sync. Processor time, children included, because a busy
machine changes it least.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from b2b_pipelines.cli import main as umbrella
from sandbox.server import Sandbox
from sandbox.settings import sandbox_settings

B2B = str(Path(sys.executable).with_name("b2b"))
ROUNDS = 5
SLOWEST_SHOWN = 5
BARS = {"help": 0.3, "listing": 0.5, "plan": 1.0}
COURSE = "course-v1:UAI+LEAD101"
CONTRACT = "leadership-2026"
LEARNER = "kim@example.com"
LISTINGS = (
    "list organizations",
    "list contracts",
    "list contracts --json",
    "list courseware",
    f"list learners --contract {CONTRACT}",
    "codes stats",
    f"codes output --contract {CONTRACT}",
    "codes output --all --json",
    "codes usage",
    "course list",
    "program list",
    "token list",
    "user list",
    "intents list",
    "learner conflicts",
    "licenses customers",
    "licenses expired",
    "academies list",
    "academies refused",
    "academies history",
    "academies overrides",
    "status",
    f"codes find {LEARNER}",
    f"sheet history {CONTRACT}",
    f"sheet show {CONTRACT}",
    f"contract show {CONTRACT}",
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="b2b-bench-") as directory, Sandbox() as sandbox:
        home = Path(directory)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("B2B_", "DAGSTER_"))}
        environment = kept | sandbox_settings(sandbox, home) | {"B2B_HOME": str(home / ".b2b")}
        try:
            _fill(environment, sandbox)
            helps = [[*path, "--help"] for path in _every_command()]
            slowest = sorted(helps, key=lambda words: -_seconds(words, environment, 1))[:SLOWEST_SHOWN]
            lines = [("help", " ".join(words), _seconds(words, environment)) for words in slowest]
            lines += [("listing", line, _seconds(line.split(), environment)) for line in LISTINGS]
            lines += [("plan", line, _seconds(line.split(), environment)) for line in [f"sheet plan {CONTRACT}"]]
        finally:
            subprocess.run([B2B, "db", "stop"], env=environment, check=True, capture_output=True)
    table = Table("Command", "CPU seconds", "bar", title=f"Commands, the slowest {SLOWEST_SHOWN} of {len(helps)} helps")
    for kind, line, spent in lines:
        table.add_row(f"b2b {line}", f"{spent:.2f}", f"{BARS[kind]:.1f}")
    Console().print(table)


def _fill(environment: dict[str, str], sandbox: Sandbox) -> None:
    sheet = sandbox.google.spreadsheet_url(sandbox.google.create_spreadsheet("Codes"))
    terms = ("non-sso", "--create", "--max-learners", "25", "--sheet", sheet)
    for words in (
        ("course", "add", COURSE, "Leading Teams", "--source-run", "SOURCE"),
        ("contract", "create", "Acme", "Leadership 2026", *terms),
        ("contract", "create", "Acme", "Sales 2026", "non-sso"),
        ("contract", "create", "Acme", "Open Learning", "non-sso"),
        ("contract", "courseware", CONTRACT, COURSE),
        ("sheet", "sync", CONTRACT),
    ):
        subprocess.run([B2B, *words], env=environment, check=True, capture_output=True)
    codes = subprocess.run([B2B, "codes", "output", "--json"], env=environment, check=True, capture_output=True)
    used = json.loads(codes.stdout)[0]["code"]
    subprocess.run([B2B, "learner", "attach", used, LEARNER], env=environment, check=True, capture_output=True)


def _every_command() -> Iterator[tuple[str, ...]]:
    def below(path: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
        yield path
        for name, each in getattr(command, "commands", {}).items():
            if not each.hidden:
                yield from below((*path, name), each)

    return below((), typer.main.get_command(umbrella.commands()))


def _seconds(words: Sequence[str], environment: dict[str, str], rounds: int = ROUNDS) -> float:
    """Return the median processor seconds of a command."""
    spent = []
    for _ in range(rounds):
        process = subprocess.Popen([B2B, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"b2b {' '.join(words)} ended with status {process.returncode}")
        spent.append(used.ru_utime + used.ru_stime)
    return median(spent)


if __name__ == "__main__":
    main()
