"""Register the courses, runs and programs that contracts can be given.

Registering is all or nothing, and registering the same catalog again changes nothing.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import rules, store
from b2b_pipelines.contracts.catalog import Catalog, CourseEntry, ProgramEntry
from b2b_pipelines.contracts.models import Course
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.errors import B2BError, InvalidInput

BATCH = 1000

Entry = TypeVar("Entry")


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
    trees = store.program_requirements(session) | {entry.readable_id: entry.requirements for entry in programs}
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
