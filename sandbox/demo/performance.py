"""One performance of the demo: everything started, the scenes built, shown or checked, everything stopped."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.commands.speaking import print_json, say, short, show
from sandbox.demo import processes
from sandbox.demo.pages import Pages
from sandbox.demo.processes import DemoRefused
from sandbox.demo.stage import Stage
from sandbox.server import Sandbox

Tell = Callable[[str], None]


def perform(home: Path, ports: dict[str, int], check_and_exit: bool, *, as_json: bool) -> None:
    """Show the demo until Ctrl-C, or press every button and return; a port 0 is chosen here.

    Raises `DemoRefused` if another demo of this home runs, a port is taken, or a button does not show what it should.
    """
    own = home.with_name(f"{home.name}-demo")
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
    show("   .venv/bin/b2b tour" + ("" if stage.sandbox.url.endswith(":8790") else f" --url {stage.sandbox.url}"))
    show(f"   . {short(env_file)}")
    show(f"   .venv/bin/b2b learner attach {first.free_code()} kim@example.com")
    show(f"   .venv/bin/b2b sheet sync {first.slug}")
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
