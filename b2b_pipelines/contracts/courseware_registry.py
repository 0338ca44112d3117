"""Register the courses, runs and programs that contracts can be given.

Entries read from JSON keep their line number, so that an error names it. Registering is all or nothing, and
registering the same catalog again changes nothing.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from json.decoder import JSONObject  # type: ignore[attr-defined]
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from typing import Any, NoReturn, TypeVar

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import rules
from b2b_pipelines.contracts.models import Course, Program
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.errors import B2BError, InvalidInput
from b2b_pipelines.values import is_storable

RUN_TAG = re.compile(r"[^+\s]{1,100}")
BATCH = 1000

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run to register, with its tag within the course.

    `is_source` marks the run that contract runs are copied from. None keeps the stored mark; for a new run it means no.
    """

    run_tag: str
    is_source: bool | None
    where: str = ""


@dataclass(frozen=True, slots=True)
class CourseEntry:
    """A course to register with its runs.

    `where` is its place in the document for errors ("line 7: ").
    """

    readable_id: str
    title: str
    runs: tuple[RunEntry, ...] = ()
    where: str = ""


@dataclass(frozen=True, slots=True)
class ProgramEntry:
    """A program to register with its requirements tree."""

    readable_id: str
    title: str
    requirements: dict[str, Any]
    where: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    """The place of each required id in the document."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Courses and programs that are registered together."""

    courses: Sequence[CourseEntry] = ()
    programs: Sequence[ProgramEntry] = ()

    def __len__(self) -> int:
        return len(self.courses) + len(self.programs)


@dataclass(slots=True)
class Tally:
    """Numbers of entries that one registration created, updated and left unchanged."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class Registration:
    """The result of a registration, in numbers."""

    courses: Tally = field(default_factory=Tally)
    runs: Tally = field(default_factory=Tally)
    programs: Tally = field(default_factory=Tally)


def course(readable_id: str, title: str, runs: Iterable[str] = (), source_run: str | None = None) -> Catalog:
    """Return one course as a catalog. Raises `InvalidInput`.

    `source_run` is one of the course's runs, whether `runs` lists it or not.
    """
    tags = dict.fromkeys([*runs, *([source_run] if source_run else [])])
    entries = [{"run_tag": tag} | ({"is_source": tag == source_run} if source_run else {}) for tag in tags]
    return _Reader().catalog({"courses": [{"readable_id": readable_id, "title": title, "runs": entries}]})


def program(readable_id: str, title: str, requires: Any, content: str = "") -> Catalog:
    """Return one program as a catalog. Raises `InvalidInput`.

    `requires` is the requirements tree. Pass the text it was read from as `content` when `read_json` made it.
    """
    return _Reader(content).catalog({"programs": [{"readable_id": readable_id, "title": title, "requires": requires}]})


def read_catalog(content: str) -> Catalog:
    """Return the courses and programs of a JSON document.

    Raises `InvalidInput`, which names the offending line.
    """
    return _Reader(content).catalog(read_json(content))


def read_json(content: str) -> Any:
    """Return a JSON document whose objects keep their offset in the text.

    Raises `InvalidInput`, which names the offending line.
    """
    try:
        return _Decoder().decode(content)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"line {error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise InvalidInput("this JSON is nested too deeply") from None


def register(session: Session, catalog: Catalog, tick: Callable[[int], object] = lambda _: None) -> Registration:
    """Create new entries and update those that differ. Nothing is ever deleted.

    `tick` receives the number of entries done since the last call. Raises `InvalidInput` for a run of another course, a
    program that requires itself, and a program that requires an unknown course or program.
    """
    transaction_lock(session, "courseware", "registry")
    done = Registration()
    for courses in _batches(catalog.courses):
        _register_courses(session, courses, done.courses)
        _register_runs(session, courses, done.runs)
        tick(len(courses))
    _check_requirements(session, catalog.programs)
    for programs in _batches(catalog.programs):
        _register_programs(session, programs, done.programs)
        tick(len(programs))
    return done


class _Object(dict[str, Any]):
    """A JSON object with the offset of its first character."""

    offset: int | None = None


class _Decoder(json.JSONDecoder):
    """The standard JSON decoder in its Python form, which reports where an object begins."""

    def __init__(self) -> None:
        super().__init__()
        self.parse_object = self._located
        self.scan_once = py_make_scanner(self)

    @staticmethod
    def _located(begin: tuple[str, int], *rest: Any) -> tuple[_Object, int]:
        value, end = JSONObject(begin, *rest)
        located = _Object(value)
        located.offset = begin[1] - 1
        return located, end


class _Reader:
    """Convert a document into entries and validate every value.

    `content` is the text that the document was parsed from, if any.
    """

    def __init__(self, content: str = "") -> None:
        self._content = content
        self._line_ends = [match.start() for match in re.finditer("\n", content)]

    def catalog(self, document: Any) -> Catalog:
        top = self._object(document, "the document", {"courses", "programs"}, document)
        courses = [self._course(item, top) for item in self._list(top, "courses")]
        programs = [self._program(item, top) for item in self._list(top, "programs")]
        for entries in (courses, programs):
            seen: set[str] = set()
            for entry in entries:
                if entry.readable_id in seen:
                    raise InvalidInput(f"{entry.where}{entry.readable_id} is listed twice")
                seen.add(entry.readable_id)
        return Catalog(courses, programs)

    def _course(self, item: Any, parent: Any) -> CourseEntry:
        fields = self._object(item, "a course", {"readable_id", "title", "runs"}, parent)
        name = self._text(fields, "readable_id")
        if not rules.COURSE_ID.fullmatch(name) or len(name) > rules.LONGEST_ID:
            self._refuse(fields, f"{name!r} is not a course id such as course-v1:ORG+NUMBER")
        runs = tuple(self._run(run, name, fields) for run in self._list(fields, "runs"))
        tags = [run.run_tag for run in runs]
        for place, run in enumerate(runs):
            if run.run_tag in tags[:place]:
                raise InvalidInput(f"{run.where}{name} has the run {run.run_tag} twice")
        sources = [run for run in runs if run.is_source]
        if len(sources) > 1:
            raise InvalidInput(f"{sources[1].where}{name} has a second source run: mark only one")
        return CourseEntry(name, self._text(fields, "title"), runs, self._where(fields))

    def _run(self, item: Any, course: str, parent: Any) -> RunEntry:
        fields = self._object(item, "a run", {"run_tag", "is_source"}, parent)
        tag = self._text(fields, "run_tag")
        if not RUN_TAG.fullmatch(tag) or len(course) + len(tag) >= rules.LONGEST_ID:
            self._refuse(fields, f"{tag!r} is not a run tag: write up to 100 characters without + and blanks")
        is_source = fields.get("is_source")
        if is_source is not None and not isinstance(is_source, bool):
            self._refuse(fields, "is_source must be true or false")
        return RunEntry(tag, is_source, self._where(fields))

    def _program(self, item: Any, parent: Any) -> ProgramEntry:
        fields = self._object(item, "a program", {"readable_id", "title", "requires"}, parent)
        name = self._text(fields, "readable_id")
        if not rules.PROGRAM_ID.fullmatch(name) or len(name) > rules.LONGEST_ID:
            self._refuse(fields, f"{name!r} is not a program id such as program-v1:ORG+NAME")
        if "requires" not in fields:
            self._refuse(fields, f"{name} lacks requires")
        tree = fields["requires"]
        try:
            leaves = rules.leaves(tree)
        except InvalidInput as error:
            self._refuse(self._invalid_node(tree) or fields, error.message)
        except RecursionError:
            self._refuse(fields, f"the requirements of {name} are nested too deeply")
        if not leaves:
            self._refuse(fields, f"{name} requires nothing")
        if not all(map(is_storable, leaves)):
            self._refuse(fields, f"{name} requires an id that is not storable text")
        requirements = {"all_of": [tree]} if isinstance(tree, str) else tree
        root = tree if isinstance(tree, _Object) else fields
        places = {leaf: self._where(root, leaf) for leaf in leaves}
        return ProgramEntry(name, self._text(fields, "title"), requirements, self._where(fields), places)

    def _invalid_node(self, node: Any) -> Any:
        """Return the innermost object of a tree that is not a requirement.

        Return None when no object with a known offset is invalid.
        """
        if not isinstance(node, dict):
            return None
        for children in node.values():
            for child in children if isinstance(children, list) else ():
                if (invalid := self._invalid_node(child)) is not None:
                    return invalid
        try:
            rules.leaves(node)
        except InvalidInput:
            return node
        return None

    def _object(self, item: Any, what: str, known: set[str], parent: Any) -> dict[str, Any]:
        if not isinstance(item, dict):
            self._refuse(parent, f"{what} must be an object {{…}} with {', '.join(sorted(known))}, not {item!r:.60}")
        if unknown := item.keys() - known:
            self._refuse(item, f"{what} has no field {', '.join(sorted(unknown))}: use {', '.join(sorted(known))}")
        return dict(item) if not isinstance(item, _Object) else item

    def _list(self, fields: dict[str, Any], key: str) -> list[Any]:
        items = fields.get(key, [])
        if not isinstance(items, list):
            self._refuse(fields, f"{key} must be a list")
        return list(items)

    def _text(self, fields: dict[str, Any], key: str) -> str:
        value = fields.get(key)
        if not isinstance(value, str) or not value.strip() or not is_storable(value):
            self._refuse(fields, f"{key} is missing or is not text")
        return str(value)

    def _refuse(self, place: Any, reason: str) -> NoReturn:
        raise InvalidInput(f"{self._where(place)}{reason}")

    def _where(self, place: Any, word: str | None = None) -> str:
        """Return `line 7: ` for an object of the document, or for a word after its beginning."""
        offset = getattr(place, "offset", None)
        if offset is None:
            return ""
        if word is not None:
            offset = max(self._content.find(json.dumps(word), offset), offset)
        return f"line {bisect_left(self._line_ends, offset) + 1}: "


def _register_courses(session: Session, courses: Sequence[CourseEntry], tally: Tally) -> None:
    written = session.execute(
        text("""
        INSERT INTO course (readable_id, title)
        SELECT * FROM unnest(CAST(:names AS text[]), CAST(:titles AS text[]))
        ON CONFLICT (readable_id) DO UPDATE SET title = excluded.title WHERE course.title <> excluded.title
        RETURNING xmax = 0
        """),
        {"names": [entry.readable_id for entry in courses], "titles": [entry.title for entry in courses]},
    )
    _count(tally, len(courses), written.scalars().all())


def _register_runs(session: Session, courses: Sequence[CourseEntry], tally: Tally) -> None:
    runs = {f"{entry.readable_id}+{run.run_tag}": (entry, run) for entry in courses for run in entry.runs}
    if not runs:
        return
    given = {
        "ids": list(runs),
        "courses": [entry.readable_id for entry, _ in runs.values()],
        "tags": [run.run_tag for _, run in runs.values()],
        "sources": [run.is_source for _, run in runs.values()],
    }
    runs_elsewhere = session.execute(
        text("""
        SELECT run.courseware_id, course.readable_id
        FROM unnest(CAST(:ids AS text[]), CAST(:courses AS text[])) AS entry (id, course)
        JOIN course_run run ON run.courseware_id = entry.id
        JOIN course ON course.id = run.course_id AND course.readable_id <> entry.course
        """),
        given,
    )
    for other in runs_elsewhere:
        where = runs[other.courseware_id][1].where
        raise InvalidInput(f"{where}the run {other.courseware_id} belongs to the course {other.readable_id}")
    written = session.execute(
        text("""
        INSERT INTO course_run (courseware_id, course_id, run_tag, title, is_source)
        SELECT entry.id, course.id, entry.tag, course.title, coalesce(entry.source, false)
        FROM unnest(CAST(:ids AS text[]), CAST(:courses AS text[]), CAST(:tags AS text[]), CAST(:sources AS boolean[]))
                 WITH ORDINALITY AS entry (id, course, tag, source, place)
        JOIN course ON course.readable_id = entry.course
        ORDER BY entry.place
        ON CONFLICT (courseware_id) DO NOTHING
        RETURNING true
        """),
        given,
    )
    created = len(written.all())
    marked = session.execute(
        text("""
        WITH entry AS (
            SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:courses AS text[]), CAST(:sources AS boolean[]))
                         AS entry (id, course, source)
        ), resourced AS (
            SELECT course.id FROM entry JOIN course ON course.readable_id = entry.course WHERE entry.source
        )
        UPDATE course_run SET is_source = NOT course_run.is_source
        FROM course_run AS run LEFT JOIN entry ON entry.id = run.courseware_id
        WHERE run.id = course_run.id AND (run.course_id IN (SELECT id FROM resourced) OR entry.id IS NOT NULL)
          AND run.is_source <> coalesce(entry.source, run.is_source AND run.course_id NOT IN (SELECT id FROM resourced))
        RETURNING course_run.id
        """),
        given,
    )
    updated = len(marked.all())
    tally.created += created
    tally.updated += updated
    tally.unchanged += max(len(runs) - created - updated, 0)


def _check_requirements(session: Session, programs: Sequence[ProgramEntry]) -> None:
    """Raise `InvalidInput` for a program that requires itself or an unknown course or program."""
    trees = {
        row.readable_id: row.requirements for row in session.execute(select(Program.readable_id, Program.requirements))
    }
    trees |= {entry.readable_id: entry.requirements for entry in programs}
    required = {leaf for entry in programs for leaf in entry.places}
    known = set(session.scalars(select(Course.readable_id).where(Course.readable_id.in_(required)))) | trees.keys()
    for entry in programs:
        for leaf, where in entry.places.items():
            if leaf not in known:
                kind = "program" if leaf.startswith("program-v1:") else "course"
                raise InvalidInput(f"{where}{entry.readable_id} requires the {kind} {leaf}, which is not registered")
    for entry in programs:
        try:
            rules.courses_of(entry.readable_id, trees)
        except B2BError as error:
            raise InvalidInput(f"{entry.where}{error.message}") from None


def _register_programs(session: Session, programs: Sequence[ProgramEntry], tally: Tally) -> None:
    written = session.execute(
        text("""
        INSERT INTO program (readable_id, title, requirements)
        SELECT name, title, CAST(tree AS jsonb)
        FROM unnest(CAST(:names AS text[]), CAST(:titles AS text[]), CAST(:trees AS text[])) AS entry (name, title, tree)
        ON CONFLICT (readable_id) DO UPDATE SET title = excluded.title, requirements = excluded.requirements
            WHERE (program.title, program.requirements) IS DISTINCT FROM (excluded.title, excluded.requirements)
        RETURNING xmax = 0
        """),
        {
            "names": [entry.readable_id for entry in programs],
            "titles": [entry.title for entry in programs],
            "trees": [json.dumps(entry.requirements) for entry in programs],
        },
    )
    _count(tally, len(programs), written.scalars().all())


def _count(tally: Tally, given: int, written: Sequence[bool]) -> None:
    """Add to the tally. `written` has one value for each written row: whether the row is new."""
    tally.created += sum(written)
    tally.updated += len(written) - sum(written)
    tally.unchanged += given - len(written)


def _batches(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    return (entries[start : start + BATCH] for start in range(0, len(entries), BATCH))
