"""Decide on contracts: keys, days, the source run of a course, the courses of a program.

Pure.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, urlsplit

from b2b_pipelines.errors import InvalidInput, Refused
from b2b_pipelines.inputs.text import as_slug

ORG_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,29}")
COURSE_ID = re.compile(r"course-v1:(?P<org>[^+\s]+)\+(?P<number>[^+\s]+)")
RUN_ID = re.compile(r"course-v1:(?P<org>[^+\s]+)\+(?P<number>[^+\s]+)\+(?P<run>[^+\s]+)")
PROGRAM_ID = re.compile(r"program-v1:[^+\s]+\+\S+")
SLUG_LENGTH = 240
LONGEST_ID = 255
SOURCE_TAG = "SOURCE"


class IntegrationType(StrEnum):
    """How an organization's learners join: with its sign-on, or with enrollment codes."""

    SSO = "sso"
    NON_SSO = "non-sso"


class EdxState(StrEnum):
    """State of a contract run in edX: not asked for yet, created, or refused with an error."""

    PENDING = "pending"
    CREATED = "created"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunDates:
    """Start and end of a contract run, for teaching and for enrolling.

    UTC; an end of None is open-ended.
    """

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class SourceRun:
    """The run that a contract run is copied from, and whether it was guessed."""

    id: int
    guessed: bool = False


def slug_from(name: str, otherwise: str) -> str:
    """Return a name as a slug: lower-case ASCII letters and digits, with hyphens between them.

    `otherwise`, an org key or a slug, is used when the name has no such letter or digit.
    """
    for text in (name, otherwise):
        if made := as_slug(text, SLUG_LENGTH):
            return made
    raise InvalidInput(f"the name {name!r} has no Latin letter or digit to make a slug from: use a name that has")


def contract_slug_from(name: str, otherwise: str) -> str:
    """Return a contract's name as a slug. A name that is a number gets `contract-` before it.

    Contracts are referenced by slug or id, so a number would be taken for the id of another contract.
    """
    made = slug_from(name, otherwise)
    return f"contract-{made}" if made.isdecimal() else made


def unique_slug(slug: str, taken: Iterable[str]) -> str:
    """Return the slug, with `-2`, `-3`, … after it when it is taken."""
    used = set(taken)
    number, candidate = 1, slug
    while candidate in used:
        number += 1
        candidate = f"{slug}-{number}"
    return candidate


def org_key_from(name: str) -> str:
    """Return the letters and digits of an organization's name in upper case, at most 30.

    Raises `InvalidInput` when the name has none.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    key = re.sub(r"[^A-Za-z0-9]", "", plain).upper()[:30]
    if not key:
        raise InvalidInput(f"no org key can be made from the name {name!r}: pass one with --org-key")
    return key


def integration_type(name: str) -> IntegrationType:
    """Return the integration type of that name. Raises `InvalidInput`.

    `managed` and `auto` mean `sso`, `code` means `non-sso`.
    """
    meanings = {"managed": IntegrationType.SSO, "auto": IntegrationType.SSO, "code": IntegrationType.NON_SSO}
    word = name.strip().lower()
    try:
        return meanings.get(word) or IntegrationType(word)
    except ValueError:
        raise InvalidInput(
            f"{name!r} is not an integration type: use sso (also managed, auto) or non-sso (also code)"
        ) from None


def requires_codes(integration_type: str, price: Decimal | None) -> bool:
    """Return whether learners need an enrollment code: the contract is `non-sso` or has a price."""
    return integration_type == IntegrationType.NON_SSO or bool(price)


def is_open(active: bool, starts_on: date | None, ends_on: date | None, day: date) -> bool:
    """Return whether learners can join on that day. The first and the last day are included."""
    return active and (starts_on is None or starts_on <= day) and (ends_on is None or day <= ends_on)


def run_dates(starts_on: date | None, ends_on: date | None, now: datetime) -> RunDates:
    """Return the dates of a contract run.

    It starts with the contract's first day (or now) and ends with the last second of the contract's last day.
    """
    start = now if starts_on is None else datetime.combine(starts_on, time.min, UTC)
    end = None if ends_on is None else datetime.combine(ends_on, time(23, 59, 59), UTC)
    return RunDates(start, end)


def ends_early(run_end: datetime | None, ends_on: date | None) -> bool:
    """Return whether a run ends before its contract. None is open-ended."""
    if run_end is None:
        return False
    return ends_on is None or run_end < datetime.combine(ends_on, time(23, 59, 59), UTC)


def run_tag(year: int, contract_id: int, taken: Iterable[str]) -> str:
    """Return the run tag `<year>_C<contract>`.

    Further runs of a course get `_2`, `_3`, … compared as numbers.
    """
    first = f"{year}_C{contract_id}"
    numbers = [_number_behind(first, tag) for tag in taken if tag == first or tag.startswith(f"{first}_")]
    return f"{first}_{max(numbers) + 1}" if numbers else first


def _number_behind(first: str, tag: str) -> int:
    rest = tag.removeprefix(first).removeprefix("_")
    return int(rest) if rest.isdecimal() else 1


def courseware_id(prefix: str, org_key: str, course_id: str, tag: str) -> str:
    """Return the edX key of a contract run: the organization's key, course number and run tag."""
    match = COURSE_ID.fullmatch(course_id)
    if match is None:
        raise InvalidInput(f"{course_id!r} is not a course id such as course-v1:ORG+NUMBER")
    return f"course-v1:{prefix}{org_key}+{match['number']}+{tag}"


def source_run(runs: Iterable[tuple[int, str, bool]]) -> SourceRun | None:
    """Return the run to copy, given a course's `(id, run tag, is source)`. None without any run.

    The marked run comes first, then the run tagged `SOURCE`, then, as a guess, the run with the lowest id.
    """
    ordered = sorted(runs)
    marked = [run for run, _, is_source in ordered if is_source]
    tagged = [run for run, tag, _ in ordered if tag == SOURCE_TAG]
    if sources := marked or tagged:
        return SourceRun(sources[0])
    return SourceRun(ordered[0][0], guessed=True) if ordered else None


def leaves(node: Any) -> list[str]:
    """Return the distinct readable ids in a requirements tree, in order.

    Raises `InvalidInput` for a malformed node.
    """
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
                f"{node!r} is not a requirement: write a course's or program's id, "
                '{"all_of": […]} or {"min_number_of": N, "of": […]}'
            )
    return list(dict.fromkeys(leaf for child in children for leaf in leaves(child)))


def courses_of(program: str, requirements: Mapping[str, Any]) -> list[str]:
    """Return the distinct course ids of a program, in the tree's order.

    Electives and nested programs are included. `requirements` maps program ids to their trees. Raises `Refused` for a
    cycle or an unknown program.
    """
    courses: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise Refused(f"the program requires itself: {' → '.join((*path[path.index(name) :], name))}")
        if name not in requirements:
            raise Refused(f"no program {name}" + (f", which {path[-1]} requires" if path else ""))
        for leaf in leaves(requirements[name]):
            if leaf.startswith("program-v1:"):
                visit(leaf, (*path, name))
            else:
                courses.setdefault(leaf)

    visit(program, ())
    return list(courses)


GOOGLE_HOST = re.compile(r"(?:[a-z0-9-]+\.)*google\.com")
OWN_HOST = re.compile(r"localhost|127(?:\.\d+){3}|\[::1\]|[a-z0-9_-]+")
"""Hosts of stand-ins: this machine, or a name without a dot."""
SHEET_PATH = re.compile(r"(?:/[^?#]*)?/spreadsheets/(?:u/\d+/)?d/(?P<id>[A-Za-z0-9_-]{10,})(?:/.*)?")
SHEET_KEY = re.compile(r"(?:^|&)(?:key|id)=(?P<id>[A-Za-z0-9_-]{10,})(?:&|$)")
SHEET_ID = re.compile(r"[A-Za-z0-9_-]{10,}")
TAB_NUMBER = re.compile(r"(?:^|[&#?])gid=(?P<gid>\d{1,10})(?:&|$)")
COPY_IT = (
    "open the sheet, and copy its address from the browser (https://docs.google.com/spreadsheets/d/…/edit) or give the"
    " bare id"
)
OTHER_KINDS = {
    "/folders/": "a folder in Google Drive",
    "/document/": "a Google document",
    "/forms/": "a Google form",
    "/presentation/": "a Google presentation",
    "/file/": "a file in Google Drive",
    "/spreadsheets/d/e/": "a sheet that was published to the web",
}
"""Other addresses of Google that people copy, by a part of the path."""
OFFICE_FILE = (
    "the address is that of an Excel file (rtpof=true), not of a Google Sheet: open it, choose File › Save as Google "
    "Sheets, share that one, and give its address"
)


def spreadsheet_id(address: str) -> str:
    """Return the id of the Google Sheet that a URL or a bare id names.

    URLs may lack `https://`. Accepted forms are `/spreadsheets/d/<id>/…`, `…?key=<id>` and
    `drive.google.com/open?id=<id>`, on a host of Google's or of a stand-in. Raises `InvalidInput` for anything else.
    """
    text = _address(address)
    if SHEET_ID.fullmatch(text):
        return text
    parts = _parts(text)
    if parts is not None:
        match = SHEET_PATH.fullmatch(parts.path) or SHEET_KEY.search(parts.query) or SHEET_KEY.search(parts.fragment)
        if match is not None:
            return match["id"]
        for part, kind in OTHER_KINDS.items():
            if part in parts.path:
                raise InvalidInput(f"the sheet is not a Google Sheet's address, but that of {kind}: {COPY_IT}")
    raise InvalidInput(f"the sheet is not a Google Sheet's address: {COPY_IT}")


def tab_number(address: str) -> int | None:
    """Return the number in the `gid=` of a sheet's URL; None without one.

    It is Google's numeric id of a tab.
    """
    parts = _parts(_address(address))
    if parts is None:
        return None
    match = TAB_NUMBER.search(parts.fragment) or TAB_NUMBER.search(parts.query)
    return int(match["gid"]) if match else None


def refuse_office_file(address: str) -> None:
    """Raise `InvalidInput` for a URL that marks itself as an Excel file opened in Drive."""
    parts = _parts(_address(address))
    if parts is not None and "rtpof=true" in f"{parts.query}&{parts.fragment}".lower():
        raise InvalidInput(OFFICE_FILE)


def tab_reference(address: str, tab: str | None) -> tuple[str, str]:
    """Return how a contract names its tab: by title (or index), by number in the URL, or not at all.

    Equal references on one spreadsheet always mean the same tab.
    """
    if tab is not None:
        return "title", tab.strip().casefold()
    number = tab_number(address)
    return ("none", "") if number is None else ("gid", str(number))


def _address(text: str) -> str:
    return text.strip().removeprefix("<").removesuffix(">").strip()


def _parts(text: str) -> SplitResult | None:
    """Return the parts of a URL on a host of Google's or of a stand-in; None for anything else."""
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
    """Return whether two titles certainly name the same tab.

    Google compares titles without case.
    """
    return one.strip().casefold() == other.strip().casefold()
