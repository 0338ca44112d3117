"""A scene of the demo: a few sentences, links, and buttons that say what should be seen after them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """The result of a button. `seen` maps each expected observation to whether it holds."""

    happened: str
    seen: Mapping[str, bool]

    @property
    def ok(self) -> bool:
        return all(self.seen.values())

    def as_json(self) -> dict[str, Any]:
        return {"happened": self.happened, "seen": dict(self.seen), "ok": self.ok}


@dataclass(frozen=True)
class Action:
    """A button. `should` says what a person should see after pressing it."""

    name: str
    label: str
    should: str
    run: Callable[[], Outcome]


@dataclass(frozen=True)
class Scene:
    """A scene: its number, what it shows, where to look, its buttons in the order of the story."""

    number: int
    title: str
    story: str
    links: Callable[[], Mapping[str, str]]
    actions: Sequence[Action]

    def action(self, name: str) -> Action:
        """Return the button of that name. Raises `KeyError`."""
        return {action.name: action for action in self.actions}[name]

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "title": self.title,
            "story": self.story,
            "links": dict(self.links()),
            "actions": [{"name": each.name, "label": each.label, "should": each.should} for each in self.actions],
        }
