"""Settings for another terminal, as lines of shell."""

import shlex
from collections.abc import Mapping
from pathlib import Path


def lines(environment: Mapping[str, str]) -> list[str]:
    """Return a line `export NAME=VALUE` for each setting."""
    return [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]


def write(path: Path, environment: Mapping[str, str]) -> Path:
    """Write a file to be read with `. FILE`, readable by its owner only: values may be secrets."""
    path.touch(mode=0o600)
    path.write_text("\n".join(lines(environment)) + "\n", encoding="utf-8")
    return path


def short(path: Path) -> Path:
    """Return the path as one types it in the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
