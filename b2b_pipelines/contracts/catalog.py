"""Courses, runs and programs that a person lists: as arguments, or in a JSON document whose errors name lines."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from b2b_pipelines.contracts import rules
from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.inputs.json_text import Path, Place, parse
from b2b_pipelines.inputs.text import is_storable

RUN_TAG = re.compile(r"[^+\s]{1,100}")
NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run to register, with its tag within the course.

    `is_source` marks the run that contract runs are copied from. None keeps the stored mark; for a new run it means no.
    """

    run_tag: str
    is_source: bool | None
    where: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class CourseEntry:
    """A course to register with its runs.

    `where` is its place in the document, for errors.
    """

    readable_id: str
    title: str
    runs: tuple[RunEntry, ...] = ()
    where: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class ProgramEntry:
    """A program to register with its requirements tree."""

    readable_id: str
    title: str
    requirements: dict[str, Any]
    where: Place = NOWHERE
    places: Mapping[str, Place] = field(default_factory=dict)
    """The place of each required id in the document."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Courses and programs that are registered together."""

    courses: Sequence[CourseEntry] = ()
    programs: Sequence[ProgramEntry] = ()

    def __len__(self) -> int:
        return len(self.courses) + len(self.programs)


def course(readable_id: str, title: str, runs: Iterable[str] = (), source_run: str | None = None) -> Catalog:
    """Return one course as a catalog. Raises `InvalidInput`.

    `source_run` is one of the course's runs, whether `runs` lists it or not.
    """
    tags = dict.fromkeys([*runs, *([source_run] if source_run else [])])
    entries = [{"run_tag": tag} | ({"is_source": tag == source_run} if source_run else {}) for tag in tags]
    return _Reader().catalog({"courses": [{"readable_id": readable_id, "title": title, "runs": entries}]})


def program(readable_id: str, title: str, requires: Any, content: str = "") -> Catalog:
    """Return one program as a catalog. Raises `InvalidInput`.

    `requires` is the requirements tree. Pass the text it was read from, if any, as `content`.
    """
    return _Reader(content, ("programs", 0, "requires")).catalog(
        {"programs": [{"readable_id": readable_id, "title": title, "requires": requires}]}
    )


def read_catalog(content: str) -> Catalog:
    """Return the courses and programs of a JSON document.

    Raises `InvalidInput`, which names the offending line.
    """
    return _Reader(content).catalog(parse(content))


class _Reader:
    """Convert a document into entries and validate every value.

    `content` is the text that the part of the document at `root` was parsed from, if any.
    """

    def __init__(self, content: str = "", root: Path = ()) -> None:
        self._content = content
        self._root = root

    def catalog(self, document: Any) -> Catalog:
        top = self._object(document, "the document", {"courses", "programs"}, (), None)
        courses = [self._course(item, ("courses", place)) for place, item in enumerate(self._list(top, "courses", ()))]
        programs = [
            self._program(item, ("programs", place)) for place, item in enumerate(self._list(top, "programs", ()))
        ]
        for entries in (courses, programs):
            seen: set[str] = set()
            for entry in entries:
                if entry.readable_id in seen:
                    raise InvalidInput(f"{entry.where}{entry.readable_id} is listed twice")
                seen.add(entry.readable_id)
        return Catalog(courses, programs)

    def _course(self, item: Any, path: Path) -> CourseEntry:
        fields = self._object(item, "a course", {"readable_id", "title", "runs"}, path, ())
        name = self._text(fields, "readable_id", path)
        if not rules.COURSE_ID.fullmatch(name) or len(name) > rules.LONGEST_ID:
            self._refuse(path, f"{name!r} is not a course id such as course-v1:ORG+NUMBER")
        listed = enumerate(self._list(fields, "runs", path))
        runs = tuple(self._run(run, name, (*path, "runs", place), path) for place, run in listed)
        tags = [run.run_tag for run in runs]
        for place, run in enumerate(runs):
            if run.run_tag in tags[:place]:
                raise InvalidInput(f"{run.where}{name} has the run {run.run_tag} twice")
        sources = [run for run in runs if run.is_source]
        if len(sources) > 1:
            raise InvalidInput(f"{sources[1].where}{name} has a second source run: mark only one")
        return CourseEntry(name, self._text(fields, "title", path), runs, self._where(path))

    def _run(self, item: Any, course: str, path: Path, parent: Path) -> RunEntry:
        fields = self._object(item, "a run", {"run_tag", "is_source"}, path, parent)
        tag = self._text(fields, "run_tag", path)
        if not RUN_TAG.fullmatch(tag) or len(course) + len(tag) >= rules.LONGEST_ID:
            self._refuse(path, f"{tag!r} is not a run tag: write up to 100 characters without + and blanks")
        is_source = fields.get("is_source")
        if is_source is not None and not isinstance(is_source, bool):
            self._refuse(path, "is_source must be true or false")
        return RunEntry(tag, is_source, self._where(path))

    def _program(self, item: Any, path: Path) -> ProgramEntry:
        fields = self._object(item, "a program", {"readable_id", "title", "requires"}, path, ())
        name = self._text(fields, "readable_id", path)
        if not rules.PROGRAM_ID.fullmatch(name) or len(name) > rules.LONGEST_ID:
            self._refuse(path, f"{name!r} is not a program id such as program-v1:ORG+NAME")
        if "requires" not in fields:
            self._refuse(path, f"{name} lacks requires")
        tree, tree_path = fields["requires"], (*path, "requires")
        try:
            leaves = rules.leaves(tree)
        except InvalidInput as error:
            self._refuse(_invalid_node(tree, tree_path) or path, error.message)
        except RecursionError:
            self._refuse(path, f"the requirements of {name} are nested too deeply")
        if not leaves:
            self._refuse(path, f"{name} requires nothing")
        if not all(map(is_storable, leaves)):
            self._refuse(path, f"{name} requires an id that is not storable text")
        requirements = {"all_of": [tree]} if isinstance(tree, str) else tree
        root = tree_path if isinstance(tree, dict) else path
        places = {leaf: self._where(root, leaf) for leaf in leaves}
        return ProgramEntry(name, self._text(fields, "title", path), requirements, self._where(path), places)

    def _object(self, item: Any, what: str, known: set[str], path: Path, parent: Path | None) -> dict[str, Any]:
        if not isinstance(item, dict):
            self._refuse(parent, f"{what} must be an object {{…}} with {', '.join(sorted(known))}, not {item!r:.60}")
        if unknown := item.keys() - known:
            self._refuse(path, f"{what} has no field {', '.join(sorted(unknown))}: use {', '.join(sorted(known))}")
        return item

    def _list(self, fields: dict[str, Any], key: str, path: Path) -> list[Any]:
        items = fields.get(key, [])
        if not isinstance(items, list):
            self._refuse(path, f"{key} must be a list")
        return list(items)

    def _text(self, fields: dict[str, Any], key: str, path: Path) -> str:
        value = fields.get(key)
        if not isinstance(value, str) or not value.strip() or not is_storable(value):
            self._refuse(path, f"{key} is missing or is not text")
        return str(value)

    def _refuse(self, path: Path | None, reason: str) -> NoReturn:
        raise InvalidInput(f"{self._where(path)}{reason}")

    def _where(self, path: Path | None, word: str | None = None) -> Place:
        """Return the place of a value of the document, or of a word after its beginning."""
        depth = len(self._root)
        if path is None or path[:depth] != self._root:
            return NOWHERE
        return Place(self._content, path[depth:], word)


def _invalid_node(node: Any, path: Path) -> Path | None:
    """Return the path of the innermost object of a tree that is not a requirement. None when no object is invalid."""
    if not isinstance(node, dict):
        return None
    for key, children in node.items():
        for place, child in enumerate(children) if isinstance(children, list) else ():
            if (invalid := _invalid_node(child, (*path, key, place))) is not None:
                return invalid
    try:
        rules.leaves(node)
    except InvalidInput:
        return path
    return None
