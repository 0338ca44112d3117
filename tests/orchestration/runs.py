"""Runs of assets in processes of their own, as `dagster asset materialize` starts them."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from b2b_pipelines.settings import PROJECT
from tests import waiting

RUN_SECONDS = 120.0
"""Within this time a run ends once its machine works again."""


@dataclass(frozen=True)
class Run:
    """A process that materializes assets."""

    pid: int
    output: Path

    def has_ended(self) -> bool:
        return not Path(f"/proc/{self.pid}").exists()

    def has_begun(self) -> bool:
        return "STEP_START" in self.output.read_text(errors="replace")

    @property
    def status(self) -> int | None:
        """The status of a run that ended by itself."""
        ended = self._end()
        return int(ended[1]) if ended else None

    @property
    def peak(self) -> int:
        """The most resident bytes of a run that ended by itself."""
        ended = self._end()
        assert ended, self.said()
        return int(ended[2]) * 1024

    def said(self) -> str:
        return self.output.read_text(errors="replace")[-3000:]

    def _end(self) -> re.Match[str] | None:
        return re.search(r"^status (\d+) peak (\d+) kB$", self.said(), re.MULTILINE)


class Runs:
    """Starts runs through the forker."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._started: list[Run] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.orchestration.forker"],
            cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def start(self, assets: str, *where: str) -> Run:
        """Materialize these assets; `where` has options, such as `--partition`."""
        output = self._place / f"run-{len(self._started)}.log"
        output.touch()
        argv = ["asset", "materialize", "-m", "b2b_pipelines.definitions", "--select", assets, *where]
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"argv": argv, "output": str(output)}) + "\n")
        self._process.stdin.flush()
        self._started.append(Run(int(self._answer()), output))
        return self._started[-1]

    def stop(self) -> None:
        for run in self._started:
            with suppress(ProcessLookupError):
                os.kill(run.pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()


def wait_until(done: Callable[[], bool], runs: list[Run], seconds: float = RUN_SECONDS) -> None:
    """Wait until `done`. Fail with the output of the runs if it takes longer than `seconds`."""
    waiting.wait_until(done, seconds, lambda: "\n---\n".join(run.said() for run in runs), pause=0.05)


def wait_for(runs: list[Run], seconds: float = RUN_SECONDS) -> None:
    """Wait until every run has ended."""
    wait_until(lambda: all(run.has_ended() for run in runs), runs, seconds)
