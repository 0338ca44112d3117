"""The countable part of the project's language: words and openings that its texts avoid.

Docstrings, comments and string literals of Python files are checked, and the text of Markdown and HTML files. Text in
backticks is exempt, because it quotes code; so are literals without a space, because they are names.
"""

import ast
import io
import os
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KINDS = (".py", ".md", ".html")
EXEMPT = (
    Path("b2b_pipelines/db/migrations/versions"),
    Path("tests/recordings"),
    Path("tests/test_language.py"),
)
GENERATED = {"__pycache__", "node_modules", "site", "build", "dist"}

AVOIDED = re.compile(
    r"(?i:\b(?:said|told|anew|befall\w*|whoever|nobody|notwithstanding)\b)"
    r"|(?<!\b[Tt]here )\bis (?:no (?!longer\b)|none\b)"
)
OPENING = re.compile(r"(?:What|Whatever|Who|Whom|Whoever)\b")
QUOTED = re.compile(r"`[^`\n]*`")


def room_of(path: Path) -> str:
    """Return the folder that a file belongs to: one of `b2b_pipelines`, of `tests`, of `docs`, or of the project."""
    parts = path.parts[:-1]
    return "/".join(parts[: 2 if parts[:1] in (("b2b_pipelines",), ("tests",), ("docs",)) else 1]) or "."


def files() -> dict[str, list[Path]]:
    """Return the files to check, relative to the project, by room."""
    rooms: dict[str, list[Path]] = {}
    for folder, subfolders, names in os.walk(ROOT):
        relative = Path(folder).relative_to(ROOT)
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and name not in GENERATED]
        for name in sorted(names):
            path = relative / name
            if path.suffix in KINDS and not any(path.is_relative_to(exempt) for exempt in EXEMPT):
                rooms.setdefault(room_of(path), []).append(path)
    return rooms


FILES = files()


def python_texts(source: str) -> Iterator[tuple[int, str, bool]]:
    """Yield line, text, and whether it is a docstring, for each comment and string of a Python file."""
    if AVOIDED.search(source):  # a comment stands there as it is, and most files have no such word
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string, False
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value, id(node) in docstrings


def faults(name: str, texts: Iterator[tuple[int, str, bool]]) -> Iterator[str]:
    for line, text, is_docstring in texts:
        plain = QUOTED.sub(lambda quoted: "`" + " " * (len(quoted[0]) - 2) + "`", text)
        for match in AVOIDED.finditer(plain):
            yield f"{name}:{line + plain.count(chr(10), 0, match.start())}: {match[0].strip()!r}"
        if is_docstring and (match := OPENING.match(plain.lstrip())):
            yield f"{name}:{line}: a docstring that begins with {match[0]!r}"


def faults_in(path: Path) -> Iterator[str]:
    content = (ROOT / path).read_text(encoding="utf-8")
    texts = python_texts(content) if path.suffix == ".py" else iter([(1, content, False)])
    return faults(str(path), texts)


@pytest.mark.parametrize("room", sorted(FILES))
def test_a_room_avoids_the_words_of_the_list(room: str):
    listed = [fault for path in FILES[room] for fault in faults_in(path)]
    assert not listed, "use plain English (CONTRIBUTING.md, Names and words):\n" + "\n".join(listed)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        pytest.param('"""What a thing is."""', 1, id="opening-of-a-docstring"),
        pytest.param("x = 1  # as the caller said", 1, id="comment"),
        pytest.param('raise ValueError(f"{name} is no date")', 1, id="message"),
        pytest.param('x = """One line.\n\nNobody\nwas told."""', 2, id="two-in-one-text"),
        pytest.param('x = 1\n"""Whom it concerns."""', 1, id="docstring-of-an-attribute"),
        pytest.param('"""There is no date. It is no longer valid."""', 0, id="counts-are-allowed"),
        pytest.param('"""Run as `nobody`."""\naccount = "nobody"', 0, id="quoted-code-and-names"),
        pytest.param('x = "What is this?"', 0, id="a-question-in-a-message"),
    ],
)
def test_the_check_finds_what_it_should(source: str, count: int):
    assert len(list(faults("file.py", python_texts(source)))) == count
