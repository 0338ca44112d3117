"""What contracts decide: their keys and days, which run a course gets, which courses a program means. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, urlsplit

from b2b_pipelines.errors import InvalidInput, Refused

ORG_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,29}")
COURSE_ID = re.compile(r"course-v1:(?P<org>[^+\s]+)\+(?P<number>[^+\s]+)")
RUN_ID = re.compile(r"course-v1:(?P<org>[^+\s]+)\+(?P<number>[^+\s]+)\+(?P<run>[^+\s]+)")
PROGRAM_ID = re.compile(r"program-v1:[^+\s]+\+\S+")
LONGEST_ID = 255
SOURCE_TAG = "SOURCE"


class IntegrationType(StrEnum):
    """How an organization's learners get in: by their organization's sign-on, or with enrollment codes."""

    SSO = "sso"
    NON_SSO = "non-sso"


class EdxState(StrEnum):
    """Where a contract run stands in edX: not asked for yet, there, or refused with an error."""

    PENDING = "pending"
    CREATED = "created"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunDates:
    """When a contract run is open: start and end of both teaching and enrolling. UTC; None is open-ended."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class SourceRun:
    """A run that a contract run can be made from, and whether it had to be guessed."""

    id: int
    guessed: bool = False


def slug_from(name: str, otherwise: str) -> str:
    """A name as it may stand in a URL: ASCII letters and digits in lower case, hyphens between; made from `otherwise`,
    an org key or a slug, when the name has none of them."""
    for words in (name, otherwise):
        plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
        if slug := re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:240].strip("-"):
            return slug
    raise InvalidInput(f"the name {name!r} has no Latin letter or digit to make a slug from: use a name that has")


def contract_slug_from(name: str, otherwise: str) -> str:
    """A contract's name as a slug. Contracts are named by slug or id: a number gets a word before it, or it would be
    taken for another contract's id."""
    slug = slug_from(name, otherwise)
    return f"contract-{slug}" if slug.isdecimal() else slug


def unique_slug(wanted: str, taken: Iterable[str]) -> str:
    """`wanted`, or with `-2`, `-3`, … behind it when it is taken."""
    used = set(taken)
    number, slug = 1, wanted
    while slug in used:
        number += 1
        slug = f"{wanted}-{number}"
    return slug


def org_key_from(name: str) -> str:
    """The letters and digits of an organization's name in upper case, cut to 30. Raises `InvalidInput` without any."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    key = re.sub(r"[^A-Za-z0-9]", "", plain).upper()[:30]
    if not key:
        raise InvalidInput(f"no org key can be made from the name {name!r}: pass one with --org-key")
    return key


def integration_type(said: str) -> IntegrationType:
    """The integration type that a word means; `managed` and `auto` are `sso`, `code` is `non-sso`."""
    meanings = {"managed": IntegrationType.SSO, "auto": IntegrationType.SSO, "code": IntegrationType.NON_SSO}
    word = said.strip().lower()
    try:
        return meanings.get(word) or IntegrationType(word)
    except ValueError:
        raise InvalidInput(
            f"{said!r} is no integration type: use sso (also managed, auto) or non-sso (also code)"
        ) from None


def is_open(active: bool, starts_on: date | None, ends_on: date | None, day: date) -> bool:
    """Whether learners can join on that day. Both days count as open."""
    return active and (starts_on is None or starts_on <= day) and (ends_on is None or day <= ends_on)


def run_dates(starts_on: date | None, ends_on: date | None, now: datetime) -> RunDates:
    """A contract run opens with its contract's first day, or now, and closes with the last second of its last."""
    start = now if starts_on is None else datetime.combine(starts_on, time.min, UTC)
    end = None if ends_on is None else datetime.combine(ends_on, time(23, 59, 59), UTC)
    return RunDates(start, end)


def ends_early(run_end: datetime | None, ends_on: date | None) -> bool:
    """Return whether a run ends before its contract. None is open-ended."""
    if run_end is None:
        return False
    return ends_on is None or run_end < datetime.combine(ends_on, time(23, 59, 59), UTC)


def run_tag(year: int, contract_id: int, taken: Iterable[str]) -> str:
    """`<year>_C<contract>`, for a further run of the same course `<year>_C<contract>_2`, `_3`, … counted as numbers."""
    first = f"{year}_C{contract_id}"
    numbers = [_number_behind(first, tag) for tag in taken if tag == first or tag.startswith(f"{first}_")]
    return f"{first}_{max(numbers) + 1}" if numbers else first


def _number_behind(first: str, tag: str) -> int:
    rest = tag.removeprefix(first).removeprefix("_")
    return int(rest) if rest.isdecimal() else 1


def courseware_id(prefix: str, org_key: str, course_id: str, tag: str) -> str:
    """The edX key of a contract run: the organization's own, the course's number, the run tag."""
    match = COURSE_ID.fullmatch(course_id)
    if match is None:
        raise InvalidInput(f"{course_id!r} is not a course id such as course-v1:ORG+NUMBER")
    return f"course-v1:{prefix}{org_key}+{match['number']}+{tag}"


def source_run(runs: Iterable[tuple[int, str, bool]]) -> SourceRun | None:
    """The run to copy, of a course's `(id, run tag, is source)`: the one marked, else the one tagged `SOURCE`, else,
    as a guess, the first by id. None when there is no run."""
    ordered = sorted(runs)
    for chosen in (
        next((run for run, _, marked in ordered if marked), None),
        next((run for run, tag, _ in ordered if tag == SOURCE_TAG), None),
    ):
        if chosen is not None:
            return SourceRun(chosen)
    return SourceRun(ordered[0][0], guessed=True) if ordered else None


def leaves(node: Any) -> list[str]:
    """The readable ids in a requirements tree, in order, each once. Raises `InvalidInput` for a malformed node."""
    match node:
        case str() if COURSE_ID.fullmatch(node) or PROGRAM_ID.fullmatch(node):
            return [node]
        case {"all_of": list(children), **rest} if not rest:
            pass
        case {"min_number_of": int(number), "of": list(children), **rest} if not rest and not isinstance(number, bool):
            if not 1 <= number <= len(children):
                raise InvalidInput(f"min_number_of {number} does not fit {len(children)} choices")
        case _:
            raise InvalidInput(
                f"{node!r} is no requirement: write a course's or program's id, "
                '{"all_of": […]} or {"min_number_of": N, "of": […]}'
            )
    return list(dict.fromkeys(leaf for child in children for leaf in leaves(child)))


def courses_of(program: str, requirements: Mapping[str, Any]) -> list[str]:
    """The course ids that a program means, electives and nested programs included, each once, in the tree's order.

    `requirements` maps program ids to their trees. Raises `Refused` for a cycle or a program that is not known.
    """
    found: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise Refused(f"the program requires itself: {' → '.join((*path[path.index(name) :], name))}")
        if name not in requirements:
            raise Refused(f"no program {name}" + (f", which {path[-1]} requires" if path else ""))
        for leaf in leaves(requirements[name]):
            if leaf.startswith("program-v1:"):
                visit(leaf, (*path, name))
            else:
                found.setdefault(leaf)

    visit(program, ())
    return list(found)


GOOGLE_HOST = re.compile(r"(?:[a-z0-9-]+\.)*google\.com")
OWN_HOST = re.compile(r"localhost|127(?:\.\d+){3}|\[::1\]|[a-z0-9_-]+")
"""A stand-in's: this machine, or a name without a dot."""
SHEET_PATH = re.compile(r"(?:/[^?#]*)?/spreadsheets/(?:u/\d+/)?d/(?P<id>[A-Za-z0-9_-]{10,})(?:/.*)?")
SHEET_KEY = re.compile(r"(?:^|&)(?:key|id)=(?P<id>[A-Za-z0-9_-]{10,})(?:&|$)")
SHEET_ID = re.compile(r"[A-Za-z0-9_-]{10,}")
TAB_NUMBER = re.compile(r"(?:^|[&#?])gid=(?P<gid>\d{1,10})(?:&|$)")
NO_SHEET = (
    "the sheet is not a Google Sheet's address: copy it from the browser "
    "(https://docs.google.com/spreadsheets/d/…/edit) or give the bare id"
)
OFFICE_FILE = (
    "the address is that of an Excel file (rtpof=true), not of a Google Sheet: open it, choose File › Save as Google "
    "Sheets, share that one, and give its address"
)


def spreadsheet_id(address: str) -> str:
    """Return the id of the Google Sheet that a URL or a bare id names.

    URLs may lack `https://`, and may be `/spreadsheets/d/<id>/…`, `…?key=<id>` or `drive.google.com/open?id=<id>`; their
    host is Google's, or a stand-in's. Raises `InvalidInput` for anything else.
    """
    text = _address(address)
    if SHEET_ID.fullmatch(text):
        return text
    parts = _parts(text)
    if parts is not None:
        match = SHEET_PATH.fullmatch(parts.path) or SHEET_KEY.search(parts.query) or SHEET_KEY.search(parts.fragment)
        if match is not None:
            return match["id"]
    raise InvalidInput(NO_SHEET)


def tab_number(address: str) -> int | None:
    """Return the number in the `gid=` of a sheet's URL, which is Google's numeric id of a tab; None without one."""
    parts = _parts(_address(address))
    if parts is None:
        return None
    match = TAB_NUMBER.search(parts.fragment) or TAB_NUMBER.search(parts.query)
    return int(match["gid"]) if match else None


def refuse_office_file(address: str) -> None:
    """Raise `InvalidInput` for a URL that says that it is an Excel file opened in Drive."""
    parts = _parts(_address(address))
    if parts is not None and "rtpof=true" in f"{parts.query}&{parts.fragment}".lower():
        raise InvalidInput(OFFICE_FILE)


def tab_reference(address: str, tab: str | None) -> tuple[str, str]:
    """Return how a contract names its tab: by title (or index), by the number in the URL, or not at all.

    Equal references on one spreadsheet surely mean one tab.
    """
    if tab is not None:
        return "title", tab.strip().casefold()
    number = tab_number(address)
    return ("none", "") if number is None else ("gid", str(number))


def _address(text: str) -> str:
    return text.strip().removeprefix("<").removesuffix(">").strip()


def _parts(text: str) -> SplitResult | None:
    """The parts of a URL on one of Google's hosts or a stand-in's; None for anything else."""
    if any(character.isspace() for character in text):
        return None
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = parts.hostname or ""
    except ValueError:
        return None
    known = GOOGLE_HOST.fullmatch(host) or ("://" in text and OWN_HOST.fullmatch(f"[{host}]" if ":" in host else host))
    return parts if known and parts.scheme.lower() in ("http", "https") else None


def same_tab(one: str, other: str) -> bool:
    """Whether two names surely mean one tab. Google compares titles without case."""
    return one.strip().casefold() == other.strip().casefold()
