"""`b2b dev`, up to where it becomes Dagster."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# A background job of a script is born with SIGINT ignored; a program in Dagster's place says how it was born.
STARTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
from b2b_pipelines.cli import dev
says = "import signal; print([signal.getsignal(n) is signal.SIG_IGN for n in (signal.SIGINT, signal.SIGTERM)])"
dev.dev_command = lambda *given: [sys.executable, "-c", says + f"; print({given[-1]!r})"]
dev.dagster_environment = lambda _: {**os.environ, "DAGSTER_HOME": "a home", "DAGSTER_POSTGRES_URL": "postgresql://d"}
dev.dev(as_json=True, verbose="--verbose" in sys.argv)
"""


@pytest.mark.long
def test_it_listens_to_signals_says_one_document_and_leaves_its_settings_in_a_file(tmp_path: Path) -> None:
    environment = {**os.environ, "B2B_HOME": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", STARTED], env=environment, capture_output=True, text=True, check=True)
    said = json.loads(ran.stdout)
    assert ran.stderr.splitlines() == ["[False, False]", "warning"], "no line for every tick of a sensor"
    assert said["url"] == "http://127.0.0.1:3000"
    read = f". '{said['env_file']}' && echo \"$B2B_HOME|$DAGSTER_HOME|$DAGSTER_POSTGRES_URL\""
    assert subprocess.check_output(["sh", "-c", read], text=True).strip() == f"{tmp_path}|a home|postgresql://d"
    verbose = [sys.executable, "-c", STARTED, "--verbose"]
    ran = subprocess.run(verbose, env=environment, capture_output=True, text=True, check=True)
    assert ran.stderr.splitlines()[-1] == "info"
