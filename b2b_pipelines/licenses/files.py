"""Read files of plans and licenses: CSV or JSON, every fault named by its line or record.

A CSV file has a heading; a JSON file is a list of objects. An empty value counts as missing. Unknown columns are
skipped and named in `ignored`. Addresses are read unchanged: the LMS decides whether an address is well-formed.

CSV is read as Excel and databases write it: the reader skips a byte order mark, `sep=,` in the first line, unnamed
columns without values and lines of empty fields, and reads headings in any case.
"""

import csv
import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.inputs.text import storable
from b2b_pipelines.inputs.times import utc
from b2b_pipelines.licenses.facts import LicenseStatus

if TYPE_CHECKING:
    from _csv import Reader

TRUE = frozenset({"true", "t", "yes", "1"})
FALSE = frozenset({"false", "f", "no", "0"})
LARGEST_ID = 2**63 - 1
LONGEST_CELL = 1 << 20
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}

Parse = Callable[[object], object]


SEPARATOR_LINE = re.compile(r'"?sep=(.)"?,*[\r\n]*', re.IGNORECASE)


def _text(value: object) -> str:
    return storable(value if isinstance(value, str) else json.dumps(value))


def _uuid(value: object) -> UUID:
    try:
        return UUID(str(value).strip())
    except ValueError:
        raise ValueError("is not a UUID") from None


def _time(value: object) -> datetime:
    return utc(str(value))


def _flag(value: object) -> bool:
    word = str(value).strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError("is neither true nor false")
    return word in TRUE


def _number(value: object) -> int:
    word = str(value).strip()
    if isinstance(value, bool) or not (word.isascii() and word.isdecimal()) or not 0 < int(word) <= LARGEST_ID:
        raise ValueError("is not a positive whole number")
    return int(word)


def _status(value: object) -> LicenseStatus:
    try:
        return LicenseStatus(str(value).strip().lower())
    except ValueError:
        raise ValueError(f"is not one of {', '.join(LicenseStatus)}") from None


@dataclass(frozen=True)
class Column:
    """A column of a file: how its values are read, and whether every record must have one."""

    name: str
    parse: Parse
    required: bool = False


PLAN_COLUMNS = (
    Column("uuid", _uuid, required=True),
    Column("enterprise_customer_uuid", _uuid, required=True),
    Column("customer_name", _text),
    Column("title", _text, required=True),
    Column("start_date", _time, required=True),
    Column("expiration_date", _time, required=True),
    Column("is_active", _flag),
    Column("expiration_processed", _flag),
    Column("for_internal_use_only", _flag),
    Column("plan_type", _text),
    Column("renewed_plan_uuid", _uuid),
    Column("renewal_effective_date", _time),
    Column("renewal_processed", _flag),
)

LICENSE_COLUMNS = (
    Column("uuid", _uuid, required=True),
    Column("plan_uuid", _uuid, required=True),
    Column("status", _status, required=True),
    Column("user_email", _text),
    Column("lms_user_id", _number),
    Column("assigned_date", _time),
    Column("activation_date", _time),
    Column("revoked_date", _time),
    Column("renewed_to", _uuid),
)


@dataclass(frozen=True, order=True)
class Fault:
    """A fault of one record of a file.

    The text omits the value, which might be an e-mail address.
    """

    file: str
    place: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.file} {self.place} {self.number}: {self.text}"


@dataclass(frozen=True)
class Record:
    """One record of a file: its line (CSV) or number from 1 (JSON), and its values by column.

    `omitted` are the columns that the record lacks although its source has them.
    """

    number: int
    values: Mapping[str, Any]
    omitted: frozenset[str] = frozenset()


@dataclass
class RecordFile:
    """A file of plans or licenses.

    `given` are its columns; fields that the file or a record omits keep their stored value. Iterating yields the
    records and collects `faults`. Raises `InvalidInput` for a file that cannot be read, or whose heading lacks a
    required column.
    """

    path: Path
    columns: tuple[Column, ...]
    place: str = "line"
    given: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()
    faults: list[Fault] = field(default_factory=list)
    _records: Iterator[tuple[int, Mapping[str, object]]] = field(default_factory=lambda: iter(()))

    @classmethod
    def open(cls, path: Path, columns: tuple[Column, ...]) -> "RecordFile":
        """Read the heading; the records are read while they are iterated over."""
        opened = cls(path, columns)
        try:
            with path.open(encoding="utf-8-sig") as file:
                start = file.read(4096).lstrip()
            headings = opened._read_json() if start.startswith(("[", "{")) else opened._read_csv()
        except OSError as error:
            raise InvalidInput(f"{path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InvalidInput(f"{path} is not a text file in UTF-8") from None
        known = {column.name for column in columns}
        opened.given = frozenset(headings) & known
        opened.ignored = tuple(heading for heading in headings if heading and heading not in known)
        return opened

    def __iter__(self) -> Iterator[Record]:
        try:
            for number, values in self._records:
                yield self._parse(number, values)
        except UnicodeDecodeError:
            raise InvalidInput(f"{self.path} is not a text file in UTF-8") from None

    def fault(self, number: int, text: str) -> None:
        self.faults.append(Fault(self.path.name, self.place, number, text))

    def _parse(self, number: int, values: Mapping[str, object]) -> Record:
        parsed: dict[str, Any] = {}
        for column in self.columns:
            value = values.get(column.name)
            if value is None or value == "":
                if column.required:
                    self.fault(number, f"{column.name} is missing")
                continue
            try:
                parsed[column.name] = column.parse(value)
            except (ValueError, RecursionError) as error:
                self.fault(number, f"{column.name} {error}")
        start, end = parsed.get("start_date"), parsed.get("expiration_date")
        if start and end and start >= end:
            self.fault(number, "start_date is not before expiration_date")
        return Record(number, parsed, self.given.difference(values))

    def _read_csv(self) -> list[str]:
        csv.field_size_limit(LONGEST_CELL)
        reader, skipped = self._reader()
        try:
            headings = next(reader, None) or []
        except csv.Error as error:
            raise InvalidInput(f"{self.path} line {skipped + 1}: {error}") from None
        self._refuse_other_separators(headings)
        written = [heading.strip() for heading in headings]
        headings = self._understood(written)
        named = [heading for heading in headings if heading]
        if len(set(named)) < len(named):
            raise InvalidInput(f"{self.path} has a column twice")
        if missing := [column.name for column in self.columns if column.required and column.name not in named]:
            there = ", ".join(filter(None, written))
            its_columns = f"its columns are {there}" if there else "it has no columns"
            raise InvalidInput(f"{self.path} has no {', '.join(missing)}: {its_columns}")
        self._records = self._csv_records(reader, skipped, headings)
        return headings

    def _reader(self) -> "tuple[Reader, int]":
        """Return a reader of the lines behind Excel's `sep=`, and the number of lines before it."""
        lines = self._lines()
        first = next(lines, "")
        separator = SEPARATOR_LINE.fullmatch(first)
        if separator is None:
            return csv.reader(chain([first] if first else [], lines), strict=True), 0
        if separator[1] != ",":
            raise self._separated_by(separator[1])
        return csv.reader(lines, strict=True), 1

    def _refuse_other_separators(self, headings: list[str]) -> None:
        names = {column.name for column in self.columns}
        for separator in OTHER_SEPARATORS:
            parts = [part.strip().strip('"').lower() for heading in headings for part in heading.split(separator)]
            if len(parts) > len(headings) and names.isdisjoint(map(str.lower, headings)) and len(names & {*parts}) > 1:
                raise self._separated_by(separator)

    def _separated_by(self, separator: str) -> InvalidInput:
        named = OTHER_SEPARATORS.get(separator, repr(separator))
        return InvalidInput(f"{self.path} is separated by {named}: save it as CSV separated by commas")

    def _understood(self, headings: list[str]) -> list[str]:
        """Return the headings, with the names of known columns in lower case."""
        names = {column.name for column in self.columns}
        return [heading.lower() if heading.lower() in names else heading for heading in headings]

    def _lines(self) -> Generator[str, None, None]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            yield from file

    def _csv_records(
        self, reader: "Reader", skipped: int, headings: list[str]
    ) -> Iterator[tuple[int, Mapping[str, object]]]:
        while True:
            number = reader.line_num + skipped + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.fault(number, f"is not CSV: {error}")
                return
            values = self._values(number, headings, cells)
            if values is not None:
                yield number, values

    def _values(self, number: int, headings: list[str], cells: list[str]) -> Mapping[str, object] | None:
        """Return a line's values by column.

        None for a line of empty fields, and for one that is refused.
        """
        if not any(cell.strip() for cell in cells):
            return None
        width = max((place for place, heading in enumerate(headings, 1) if heading), default=0)
        unnamed = [cell for cell, heading in zip(cells, headings, strict=False) if not heading]
        if len(cells) < width or any(cell.strip() for cell in cells[len(headings) :]):
            self.fault(number, f"has {len(cells)} values for {len(headings)} columns")
        elif any(cell.strip() for cell in unnamed):
            self.fault(number, "has a value in a column without a name")
        else:
            return {heading: cell for heading, cell in zip(headings, cells, strict=False) if heading}
        return None

    def _read_json(self) -> list[str]:
        self.place = "record"
        try:
            document = json.loads(self.path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{self.path} is not JSON: {error}") from None
        if not isinstance(document, list):
            raise InvalidInput(f"{self.path} must hold a list of objects")

        self._records = self._json_records(document)
        return list(dict.fromkeys(key for record in document if isinstance(record, dict) for key in record))

    def _json_records(self, document: list[Any]) -> Iterator[tuple[int, Mapping[str, object]]]:
        for number, record in enumerate(document, 1):
            if isinstance(record, dict):
                yield number, record
            else:
                self.fault(number, "is not an object")
