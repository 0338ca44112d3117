"""`b2b demo`: the main job on a sample organization, from contracts to their sheets, through Dagster."""

import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from b2b_pipelines.cli import console, exports
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.cli.dagster_home import NAMES, dagster_environment, running_dagster
from b2b_pipelines.cli.guardian import guard
from b2b_pipelines.cli.in_the_way import lock, require_free_port
from b2b_pipelines.db.connect import connect, embedded_postgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError, Refused
from b2b_pipelines.settings import PREFIX, Settings, read_settings
from sandbox.commands.sandbox import google_settings

if TYPE_CHECKING:
    from sandbox import Sandbox
    from sandbox.commands.sample import SampleContract

DELIVERED_WITHIN = 120.0

Exit = Annotated[bool, typer.Option("--exit", help="Check that the sheets hold what they should, and exit.")]
UiPort = Annotated[int, typer.Option("--port", help="The port of Dagster's UI.")]
SandboxPort = Annotated[int, typer.Option("--sandbox-port", help="The port of the sheets' page.")]


class DemoFailed(B2BError):
    """A sheet does not hold what it should, or was not filled in time."""

    code = "demo_failed"


def demo(
    check_and_exit: Exit = False,
    port: UiPort = 3000,
    sandbox_port: SandboxPort = 8790,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make a sample organization with three contracts, deliver their codes to sheets through Dagster, and show it.

    Works in a home of its own, made anew each time, and leaves yours alone. Ctrl-C stops everything it started. With
    --json nothing is said until the sheets are right.
    """
    from sandbox import Sandbox

    for number in (signal.SIGINT, signal.SIGTERM):  # ended from outside or by a script, it stops what it started too
        signal.signal(number, signal.default_int_handler)
    home = _home_of_the_demo(read_settings())
    kept = lock(home.with_name(f"{home.name}.lock"), "b2b demo")
    if not check_and_exit:
        require_free_port("127.0.0.1", port, "--port")
        require_free_port("127.0.0.1", sandbox_port, "--sandbox-port")
    os.environ |= guard(home)
    _empty(home, read_settings())
    sandbox = Sandbox()
    try:
        sandbox.start(port=0 if check_and_exit else sandbox_port)
    except OSError as error:
        raise Refused(
            f"the sandbox cannot listen on port {sandbox_port} ({error.strerror}): use --sandbox-port"
        ) from None
    try:
        settings = _use({"B2B_HOME": str(home), **google_settings(sandbox, home)})
        port = _free_port(0 if check_and_exit else port)
        _show(settings, sandbox, port, check_and_exit=check_and_exit, as_json=as_json)
    finally:
        sandbox.stop()
        embedded_postgres(read_settings()).stop()
        os.close(kept)


def _show(settings: Settings, sandbox: "Sandbox", port: int, *, check_and_exit: bool, as_json: bool) -> None:
    from sandbox.commands.sample import make_sample

    began = time.monotonic()
    tell = _say_nothing if as_json else console.say
    environment = dagster_environment(settings)
    named = {name: value for name, value in environment.items() if name.startswith(PREFIX) or name in NAMES}
    env_file = exports.write(settings.home / "env", named)
    database = connect(settings)
    try:
        tell("1. A sample organization with three contracts, each with a Google Sheet of its customer:")
        sample = make_sample(database, sandbox)
        for contract in sample:
            tell(f"   {contract.slug:<16} {contract.kind.says}")
        tell("2. Dagster starts. Its sensor contract_changes finds the contracts and delivers their codes.")
        log = settings.home / "dagster.log"
        with running_dagster(environment, "127.0.0.1", port, log) as ui:
            _wait_until(lambda: all(contract.is_delivered(database) for contract in sample), log)
            tell("3. The customers sort, insert and write notes; learners redeem codes; the sheets are refreshed.")
            for contract in sample:
                contract.live_on(database)
            _refresh(port, sample, log)
            _check(sample, database)
            seconds = round(time.monotonic() - began)
            tell(f"   Done in {seconds} s: each code stands in its sheet once, every note is kept.")
            if as_json:
                console.print_json(_as_json(sample, sandbox, None if check_and_exit else ui, env_file, seconds))
                sys.stdout.flush()
            elif not check_and_exit:
                _say_what_to_try(sample, database, sandbox, env_file, ui)
            if not check_and_exit:
                _wait_for_interrupt(tell)
    finally:
        database.dispose()


def _home_of_the_demo(settings: Settings) -> Path:
    """A home beside the usual one."""
    return settings.home.with_name(f"{settings.home.name}-demo")


def _empty(home: Path, settings: Settings) -> None:
    """Make the demo's home anew."""
    if home.exists():
        embedded_postgres(settings.model_copy(update={"home": home, "database_url": None})).stop()
        shutil.rmtree(home)
    home.mkdir(parents=True)


def _use(environment: Mapping[str, str]) -> Settings:
    """Make these the settings of this process and its children."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(environment)
    return read_settings()


def _free_port(wanted: int) -> int:
    """The wanted port, or for 0 any that is free. Raises `Refused` when it is taken."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise Refused(f"Dagster's UI cannot listen on port {wanted} ({error.strerror}): use --port") from None
        found: int = probe.getsockname()[1]
        return found


def _wait_until(done: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + DELIVERED_WITHIN
    with console.progress("   Waiting for the sheets"):
        while not done():
            if time.monotonic() > until:
                raise DemoFailed(f"the sheets were not filled within {DELIVERED_WITHIN:.0f} s: see {log}")
            time.sleep(0.3)


def _refresh(port: int, sample: "Sequence[SampleContract]", log: Path) -> None:
    """One run over the sheets of all sample contracts, launched as one would in the UI."""
    from dagster_graphql import DagsterGraphQLClient

    tags = {
        "dagster/asset_partition_range_start": sample[0].slug,
        "dagster/asset_partition_range_end": sample[-1].slug,
    }
    client = DagsterGraphQLClient("127.0.0.1", port_number=port)
    run_id = client.submit_job_execution("sheet_refresh_job", tags=tags)
    _wait_until(lambda: client.get_run_status(run_id).value in ("SUCCESS", "FAILURE", "CANCELED"), log)
    if client.get_run_status(run_id).value != "SUCCESS":
        raise DemoFailed(f"the refresh failed: see {log}")


def _check(sample: "Sequence[SampleContract]", database: Database) -> None:
    faults = [f"{contract.slug}: {words}" for contract in sample for words in contract.faults(database)]
    if faults:
        raise DemoFailed("; ".join(faults))


def _say_what_to_try(
    sample: "Sequence[SampleContract]", database: Database, sandbox: "Sandbox", env_file: Path, ui: str
) -> None:
    first = sample[0]
    console.say("\nWhere to look")
    console.say(f"   Dagster's UI    {ui}/asset-groups")
    for contract in sample:
        console.say(f"   {contract.slug:<15} {sandbox.google.page(contract.spreadsheet.spreadsheet_id)}")
    console.say("\nWhat to try")
    console.say("   - Sort a sheet, write notes beside and below the codes, edit a code, insert a column.")
    console.say("   - Redeem a code, in another terminal:")
    console.say(f"       . {exports.short(env_file)}")
    console.say(f"       .venv/bin/b2b learner attach {first.free_code(database)} kim@example.com")
    console.say(
        f"   - Launch a refresh: {ui}/jobs, sheet_refresh_job, Materialize; or .venv/bin/b2b sheet sync {first.slug}"
    )
    console.say(
        f"   - Give the contract more seats, and watch the sheet: .venv/bin/b2b_contract modify {first.slug} --max-learners 30"
    )
    console.say("\nCtrl-C stops everything.")


def _as_json(
    sample: "Sequence[SampleContract]", sandbox: "Sandbox", ui: str | None, env_file: Path, seconds: int
) -> dict[str, Any]:
    """What was made and where to look; nowhere, without a `ui` that goes on."""
    pages = [ui and sandbox.google.page(contract.spreadsheet.spreadsheet_id) for contract in sample]
    return {
        "contracts": [
            {"contract": contract.slug, "rows": contract.kind.rows, "sheet": page}
            for contract, page in zip(sample, pages, strict=True)
        ],
        "dagster": ui,
        "env_file": str(env_file),
        "seconds": seconds,
    }


def _say_nothing(line: str) -> None:
    """Where one JSON document is all that is wanted."""


def _wait_for_interrupt(tell: Callable[[str], None]) -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        tell("\nStopping.")
