"""`b2b tour`: the six scenes of a running demo, in the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandbox.commands.speaking import AsJson, Verbose, print_json, refuse, say

if TYPE_CHECKING:
    import httpx

Url = Annotated[str, typer.Option("--url", help="The start page of the running demo.")]
Only = Annotated[int | None, typer.Option("--scene", min=1, max=6, help="This scene only.")]
PATIENCE = 300.0


def tour(
    url: Url = "http://127.0.0.1:8790", scene: Only = None, as_json: AsJson = False, verbose: Verbose = False
) -> None:
    """Walk through the scenes of a running demo: press each button, and say whether it shows what it should.

    On a terminal it waits for Enter before each button.
    """
    import httpx

    with httpx.Client(base_url=url, headers={"Accept": "application/json"}, timeout=PATIENCE) as demo:
        try:
            document = demo.get("/demo.json").raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            refuse("no_demo", f"no demo answers at {url}: start one with `b2b demo`, or use --url", as_json=as_json)
        if not document.get("ready"):
            refuse("not_ready", f"the demo at {url} is starting: try again in a moment", as_json=as_json)
        scenes = [each for each in document["scenes"] if scene in (None, each["number"])]
        shown = [_walk(demo, each, as_json=as_json) for each in scenes]
    if as_json:
        print_json(shown)
    if not all(action["ok"] for each in shown for action in each["actions"]):
        raise SystemExit(1)


def _walk(demo: httpx.Client, scene: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    if not as_json:
        say(f"\n{scene['number']}. {scene['title']}\n{scene['story']}")
        for name, link in scene["links"].items():
            say(f"   {name}: {demo.base_url.join(link)}")
    actions = []
    for action in scene["actions"]:
        if not as_json:
            say(f"\n[{action['label']}] {action['should']}")
            if sys.stdin.isatty() and sys.stdout.isatty():
                input("Press Enter. ")
        outcome = demo.post(f"/demo/{scene['number']}/{action['name']}").raise_for_status().json()
        actions.append({"name": action["name"], **outcome})
        if not as_json:
            say(f"   {outcome['happened']}")
            for what, seen in outcome["seen"].items():
                say(f"   {'seen' if seen else 'NOT SEEN'}: {what}")
    return {"number": scene["number"], "title": scene["title"], "actions": actions}
