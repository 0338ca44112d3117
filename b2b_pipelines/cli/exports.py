"""Settings for another terminal, as lines that its shell reads."""

import shlex
from collections.abc import Mapping
from pathlib import Path


def lines(environment: Mapping[str, str]) -> list[str]:
    return [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]


def write(path: Path, environment: Mapping[str, str]) -> Path:
    """A file to be read with `. FILE`, for its owner alone: there may be secrets among the values."""
    path.touch(mode=0o600)
    path.write_text("\n".join(lines(environment)) + "\n", encoding="utf-8")
    return path


def short(path: Path) -> Path:
    """The path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
