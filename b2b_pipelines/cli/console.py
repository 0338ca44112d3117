"""Output of every command: tables for people, one JSON document with `--json`, one line for an error.

stdout holds the answer and nothing else. Logs go to stderr, on a terminal or with `--verbose`. Exit status: 0 done,
1 refused or failed, 2 wrong usage.
"""

import csv
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from errno import ENOSPC
from functools import cache, cached_property, partial
from io import TextIOWrapper
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from uuid import UUID

import typer
from rich.console import Console
from typer.exceptions import TyperException

from b2b_pipelines.cli.tables import print_table, typeable, width_of
from b2b_pipelines.csv_cells import csv_cell
from b2b_pipelines.errors import B2BError, InvalidInput, Refused
from b2b_pipelines.inputs.complaints import plain_terms
from b2b_pipelines.inputs.text import is_storable

if TYPE_CHECKING:  # a help text needs none of these, and they take half a second to import
    from sqlalchemy.orm import Session

    from b2b_pipelines.db.engine import Database
    from b2b_pipelines.db.reading import Reading
    from b2b_pipelines.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, with a header.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Log to stderr.")]

INTERRUPTED = 130
HELD_BYTES = 1_000_000
"""Bytes of a long listing that are held in memory. The rest goes to a temporary file."""
LITTLE_SPACE = 256 * 1024
"""Bytes. A disk with less is full for PostgreSQL, which writes blocks and segments."""

# Printed text holds names that people chose: Rich must not interpret `[bold]` or `:rocket:` in them.
AS_IT_IS: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}

stdout = Console(soft_wrap=True, **AS_IT_IS)
stderr = Console(stderr=True, soft_wrap=True, **AS_IT_IS)


def app(help_text: str, *, completion: bool = False) -> typer.Typer:
    """Return a group of commands that prints its help without a command. `completion` adds shell completion."""
    return typer.Typer(
        help=help_text,
        callback=_options_of_every_group,
        no_args_is_help=True,
        add_completion=completion,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"b2b_pipelines {version('b2b-pipelines')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
]


def _options_of_every_group(version: Version = False) -> None:
    """Define the options of every program and every group of commands."""


def run(commands: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line to its exit status. Every error becomes one line, or one JSON document."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _escape_what_cannot_be_shown()
    _log_to_stderr(verbose="--verbose" in given or sys.stderr.isatty())
    try:
        _check_text(given)
        if "--json" in given and "--csv" in given:
            wrong_usage("use either --json or --csv")
        outcome = _command_tree(commands).main(given, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except B2BError as error:
        _refuse(given, error.code, _with_full_disk(error.message))
        raise SystemExit(1) from None
    except TyperException as error:
        if error.format_message().startswith("Usage:"):  # a group without a command shows its help
            stdout.print(error.format_message())
        else:
            path = _path_of(commands, name, given)
            _refuse(given, "usage", f"{plain_terms(error.format_message())} (see `{path} --help`)")
        raise SystemExit(error.exit_code) from None
    except (KeyboardInterrupt, typer.Abort):
        outcome = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(1) from None
    except Exception as error:
        if "--verbose" in given:
            raise
        _refuse(given, "unexpected", _with_full_disk(_unforeseen(error)))
        raise SystemExit(1) from None
    if outcome == INTERRUPTED:  # typer's status for Ctrl-C
        _refuse(given, "interrupted", "interrupted")
    raise SystemExit(outcome if isinstance(outcome, int) else 0)


@cache
def _command_tree(commands: typer.Typer) -> Any:
    """Return the commands as Click has them, which takes typer 20 ms to build."""
    return typer.main.get_command(commands)


def _path_of(commands: typer.Typer, name: str, given: Sequence[str]) -> str:
    """Return the command that was called, without its arguments: the one whose help explains the mistake."""
    command = _command_tree(commands)
    path = [name]
    for word in given:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        path.append(word)
    return " ".join(path)


def _escape_what_cannot_be_shown() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_text(given: Sequence[str]) -> None:
    for word in given:
        if not is_storable(word):
            raise InvalidInput(f"The argument {word!a} is not text in UTF-8.")


class WrongUsage(TyperException):
    """Invalid combination of arguments."""

    exit_code = 2


def wrong_usage(message: str) -> NoReturn:
    """Refuse the arguments with exit status 2."""
    raise WrongUsage(message)


@dataclass
class Surroundings:
    """The settings of a command, and its database from the first use on."""

    settings: "Settings"

    @cached_property
    def database(self) -> "Database":
        from b2b_pipelines.db.connect import connect

        return connect(self.settings)

    @contextmanager
    def reading(self) -> "Iterator[Reading]":
        """Open one read-only transaction without importing SQLAlchemy, which takes a third of a second."""
        from b2b_pipelines.db.reading import reading

        with reading(self.settings) as found:
            yield found

    @contextmanager
    def session(self) -> "Iterator[Session]":
        """Open one transaction for the whole command."""
        with self.database.session() as session:
            yield session


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Read the settings of this command, and close its database connections at the end."""
    from b2b_pipelines.settings import read_settings

    found = Surroundings(read_settings())
    try:
        yield found
    finally:
        if "database" in found.__dict__:
            found.database.dispose()


def print_json(document: Any) -> None:
    """Print one document. Decimals become text with two decimals, times ISO 8601 with their zone."""
    sys.stdout.write(json_text(document))


def print_json_list(items: Iterable[str]) -> None:
    """Print one document, a list of these JSON texts, after the last one has arrived."""
    with tempfile.SpooledTemporaryFile(HELD_BYTES, "w+", encoding="utf-8") as document:
        separator = "[\n"
        for item in items:
            document.write(separator + item)
            separator = ",\n"
        document.write("\n]\n" if separator == ",\n" else "[]\n")
        document.seek(0)
        shutil.copyfileobj(document, sys.stdout, HELD_BYTES)


def json_text(document: Any) -> str:
    """Return the document as text that ends with a newline."""
    return json.dumps(document, default=_plain, ensure_ascii=False, indent=2) + "\n"


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    as_json: bool,
    as_csv: bool = False,
    title: str = "",
) -> None:
    """Print a listing: JSON and CSV hold every key of every row, a table only `columns` (key → heading)."""
    if as_json:
        print_json(list(rows))
    elif as_csv:
        print_csv(rows, columns)
    elif hidden := print_table(stdout, rows, columns, title):
        warn(f"Too narrow for: {', '.join(hidden)}. Widen the terminal, or use --json.")


def without(rows: Iterable[Mapping[str, Any]], *hidden: str) -> list[dict[str, Any]]:
    """Return the rows without these keys."""
    return [{key: value for key, value in row.items() if key not in hidden} for row in rows]


def print_csv(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> None:
    """Print CSV: these columns first, then the rows' other keys. A spreadsheet runs no cell as a formula."""
    names = list(dict.fromkeys([*columns, *(rows[0] if rows else ())]))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([csv_cell(_csv_text(row.get(name))) for name in names] for row in rows)


def _csv_text(value: object) -> object:
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return value
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    text = json.dumps(value, default=_plain, ensure_ascii=False)
    return text.strip('"') if text.startswith('"') else text


def say(line: str) -> None:
    """Print a line of an answer for people, wrapped at spaces to fit a terminal."""
    stdout.print(_fitted(typeable(line, stdout.encoding), stdout))


def warn(line: str) -> None:
    """Print a line to stderr: for people, not for programs."""
    stderr.print(_fitted(typeable(line, stderr.encoding), stderr))


def _fitted(text: str, console: Console) -> str:
    """Wrap each line at spaces. Codes, slugs and addresses stay whole, whatever their length."""
    width = width_of(console)
    if width is None or all(len(line) <= width for line in text.splitlines()):
        return text
    return "\n".join(_wrapped(line, width) for line in text.splitlines())


def _wrapped(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr while the block runs, if stderr is a terminal. Yield the function that moves it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    )
    with bar:
        yield partial(bar.advance, bar.add_task(label, total=total))


def agreed(question: str, sentences: Sequence[str], *, yes: bool) -> None:
    """Ask for confirmation on a terminal before people lose something. Scripts, and `yes`, are not asked.

    Raises `Refused` when the answer is not yes.
    """
    if not sentences or yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    for sentence in sentences:
        warn(sentence)
    if not typer.confirm(question, err=True):
        raise Refused("Nothing was changed, because you answered no.")


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _refuse(given: Sequence[str], code: str, message: str) -> None:
    printed = "--json" in given
    try:
        if printed:
            print_json({"error": {"code": code, "message": message}})
        sys.stdout.flush()
    except OSError:  # discard the rest, or Python would try again at its end and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        printed = False
    if not printed:
        stderr.print(typeable(f"Error: {message}", stderr.encoding))


def _with_full_disk(message: str) -> str:
    """Add to a message that the disk of this installation is full, which is then the likely cause."""
    from b2b_pipelines.settings import read_settings

    with suppress(B2BError, OSError):
        home = read_settings().home
        while not home.exists():
            home = home.parent
        disk = os.statvfs(home)
        if disk.f_bavail * disk.f_frsize < LITTLE_SPACE:
            return f"The disk that holds {home} is full ({message.rstrip('.')}). Free some space and try again."
    return message


def _unforeseen(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == ENOSPC:
        return "The disk is full. Free some space and try again."
    return f"Unexpected {type(error).__name__}. Run again with --verbose for the traceback."


def _log_to_stderr(*, verbose: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.CRITICAL,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    for noisy in ("httpx", "httpcore", "googleapiclient", "google_auth_httplib2", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING if verbose else logging.CRITICAL)
