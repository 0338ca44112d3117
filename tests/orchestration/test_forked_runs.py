"""The code server forks runs from a process that has imported the code, and that holds nothing else."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from dagster._grpc import server

from b2b_pipelines.settings import PROJECT

PROGRAM = """
import os, sys, time
from pathlib import Path

import dagster._grpc.server as server
from b2b_pipelines.dagster_processes import fork_runs


def report(queue):
    modules = [name for name in ("b2b_pipelines.definitions", "dagster._grpc.impl", "pygsheets") if name in sys.modules]
    parent = Path(f"/proc/{os.getppid()}")
    sockets = [link for each in (parent / "fd").iterdir() if "socket" in (link := os.readlink(each))]
    threads = len(list((parent / "task").iterdir()))
    queue.put((modules, threads, len(sockets), os.getppid()))


if __name__ == "__main__":
    assert fork_runs()
    context = server.DagsterApiServer._mp_ctx.fget(None)
    for _ in range(2):
        queue = context.Queue()
        began = time.monotonic()
        process = context.Process(target=report, args=[queue])
        process.start()
        modules, threads, sockets, parent = queue.get(timeout=60)
        process.join()
        print(*modules, threads, sockets, parent == os.getpid(), process.exitcode)
"""


@pytest.mark.long
def test_a_run_has_the_code_when_it_starts_and_its_parent_has_one_thread_and_no_connection(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", str(program)], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    first, second = shown.stdout.splitlines()
    assert first == second
    modules = "b2b_pipelines.definitions dagster._grpc.impl pygsheets"
    assert first.startswith(f"{modules} 1 ")
    assert first.endswith("False 0")


def test_other_processes_start_as_they_did() -> None:
    program = "from b2b_pipelines.dagster_processes import fork_runs; print(fork_runs())"
    shown = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_dagsters_code_server_starts_runs_with_the_method_that_is_replaced() -> None:
    assert "self._mp_ctx.Process(" in inspect.getsource(server.DagsterApiServer.StartRun)
