"""How the commands of a checkout answer: lines for people, one JSON document for programs, one line for a refusal."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, NoReturn

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Log to stderr what is done.")]

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def home() -> Path:
    """Return the installation's home: `B2B_HOME`, else `.b2b` in the checkout."""
    named = os.environ.get("B2B_HOME")
    return Path(named).expanduser().absolute() if named else CHECKOUT / ".b2b"


def say(line: str) -> None:
    """Print a line for people at once, also into a pipe. On a terminal it wraps at spaces, so that addresses stay whole."""
    show(_fitted(line))


def show(text: str) -> None:
    """Print a text to copy, such as a command, at once and as it is."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _fitted(text: str) -> str:
    if not sys.stdout.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_wrapped(line, width) if len(line) > width else line for line in text.splitlines())


def _wrapped(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    show(json.dumps(document, ensure_ascii=False, indent=2))


def refuse(code: str, message: str, *, as_json: bool = False) -> NoReturn:
    """End the command with exit status 1 and one line, or one JSON document."""
    if as_json:
        print_json({"error": {"code": code, "message": message}})
    else:
        sys.stderr.write(f"Error: {message}\n")
    raise SystemExit(1)


def exports(environment: Mapping[str, str]) -> list[str]:
    """Return the lines that a shell reads to set these variables."""
    return [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]


def write_exports(path: Path, environment: Mapping[str, str]) -> Path:
    """Write a file to source with `. FILE`, readable by its owner only because it may hold secrets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text("\n".join(exports(environment)) + "\n", encoding="utf-8")
    return path


def short(path: Path) -> str:
    """Return the path relative to the working directory when it is below that."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
