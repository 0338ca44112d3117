"""`b2b demo`: the whole mission in six scenes, on the stand-ins, with the product as separate programs."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from sandbox.commands.speaking import AsJson, Verbose, home, print_json, refuse, say, short
from sandbox.demo import processes
from sandbox.demo.pages import Pages
from sandbox.demo.processes import DemoRefused
from sandbox.demo.stage import Stage
from sandbox.server import Sandbox

Exit = Annotated[bool, typer.Option("--exit", help="Press every button, check what it shows, and exit.")]
UiPort = Annotated[int, typer.Option("--port", help="The port of Dagster's UI.")]
SandboxPort = Annotated[int, typer.Option("--sandbox-port", help="The port of the start page and the stand-ins.")]
ApiPort = Annotated[int, typer.Option("--api-port", help="The port of the product's API and pages.")]

Tell = Callable[[str], None]


def demo(
    check_and_exit: Exit = False,
    port: UiPort = 3000,
    sandbox_port: SandboxPort = 8790,
    api_port: ApiPort = 8000,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show the whole mission in six scenes: contracts, the customer's sheet, licenses, academies, a purchase, a bad day.

    Works in a home of its own, emptied each time, and leaves yours alone. Ctrl-C stops everything it started. With
    --json it prints one document when it is ready.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # a background job of a script is born with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    ports = {"--port": port, "--sandbox-port": sandbox_port, "--api-port": api_port}
    try:
        _run(dict.fromkeys(ports, 0) if check_and_exit else ports, check_and_exit, as_json=as_json)
    except DemoRefused as refused:
        refuse(refused.code, str(refused), as_json=as_json)
    except httpx.HTTPStatusError as error:
        answer = (
            f"{error.request.method} {error.request.url.path}: {error.response.status_code} {error.response.text[:300]}"
        )
        refuse("demo_failed", f"the product answered {answer}", as_json=as_json)
    except KeyboardInterrupt:
        if not as_json:
            say("Stopped.")


def _run(ports: dict[str, int], check_and_exit: bool, *, as_json: bool) -> None:
    own = home()
    own = own.with_name(f"{own.name}-demo")
    kept = processes.lock(own.with_name(f"{own.name}.lock"))
    processes.require_free_ports(ports)
    ports = {option: port or processes.free_port() for option, port in ports.items()}
    processes.guard(own)
    pages = Pages()
    sandbox = Sandbox(more_routes=pages.routes())
    try:
        sandbox.start(port=ports["--sandbox-port"])
        processes.note(kept, sandbox.url)
        stage = Stage(own, sandbox, pages.inbox, ui_port=ports["--port"], api_port=ports["--api-port"])
        pages.stage = stage
        try:
            _show(stage, _quiet if as_json else say, check_and_exit, as_json=as_json)
        finally:
            stage.product.stop()
    finally:
        sandbox.stop()
        os.close(kept)


def _show(stage: Stage, tell: Tell, check_and_exit: bool, *, as_json: bool) -> None:
    began = time.monotonic()
    stage.build(tell)
    seconds = round(time.monotonic() - began)
    tell(f"   Done in {seconds} s: each code stands in its sheet once, every note is kept.")
    env_file = stage.product.write_env_file()
    if check_and_exit:
        checked = _check(stage, tell)
    if as_json:
        document = _as_json(stage, env_file, seconds, is_over=check_and_exit)
        print_json(document | ({"scenes": checked} if check_and_exit else {}))
    elif not check_and_exit:
        _say_what_to_try(stage, env_file)
    if check_and_exit:
        missed = [f"{each['scene']}, {each['button']}" for each in checked if not each["ok"]]
        if missed:
            raise DemoRefused(f"not seen what should be seen: {'; '.join(missed)}", "demo_failed")
        return
    threading.Event().wait()


def _check(stage: Stage, tell: Tell) -> list[dict[str, Any]]:
    """Press every button in its order; return what each showed."""
    found = []
    for scene in stage.scenes:
        tell(f"Scene {scene.number}: {scene.title}")
        for action in scene.actions:
            outcome = stage.press(scene.number, action.name)
            tell(f"   {action.label}: {outcome.happened}")
            for what, seen in outcome.seen.items():
                tell(f"      {'seen' if seen else 'NOT SEEN'}: {what}")
            found.append({"scene": scene.title, "button": action.label, **outcome.as_json()})
    return found


def _say_what_to_try(stage: Stage, env_file: Path) -> None:
    first = stage.contracts[0]
    say(f"\nStart here: {stage.sandbox.url}/")
    for name, url in stage.links().items():
        say(f"   {name:<13} {url}")
    for contract in stage.contracts:
        say(f"   {contract.slug:<15} {contract.page}")
    say("\nIn another terminal")
    say("   .venv/bin/b2b tour" + ("" if stage.sandbox.url.endswith(":8790") else f" --url {stage.sandbox.url}"))
    say(f"   . {short(env_file)}")
    say(f"   .venv/bin/b2b learner attach {first.free_code()} kim@example.com")
    say(f"   .venv/bin/b2b sheet sync {first.slug}")
    say("\nCtrl-C stops everything.")


def _as_json(stage: Stage, env_file: Path, seconds: int, *, is_over: bool) -> dict[str, Any]:
    """Return what was made and where to look; nowhere once it is over."""
    return {
        "contracts": [
            {"contract": each.slug, "rows": each.kind.rows, "sheet": None if is_over else each.page}
            for each in stage.contracts
        ],
        "start": None if is_over else f"{stage.sandbox.url}/",
        "api": None if is_over else stage.product.api_url,
        "dagster": None if is_over else stage.product.ui,
        "env_file": str(env_file),
        "seconds": seconds,
    }


def _quiet(line: str) -> None:
    """Print nothing, because one JSON document is the whole answer."""
