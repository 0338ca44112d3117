"""Lines of places in a JSON text."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.inputs.json_text import Path, Place, parse

scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab"\\\n\u2028{}[],:', max_size=4)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('k"\\:{', max_size=2), inner, max_size=3),
    max_leaves=12,
)


def places(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a document with its path."""
    yield path, document
    if isinstance(document, list | dict):
        steps = document.items() if isinstance(document, dict) else enumerate(document)
        for step, value in steps:
            yield from places(value, (*path, step))


@given(documents, st.sampled_from([1, 3]))
def test_the_line_of_every_value_is_the_one_it_begins_in(document: Any, indent: int):
    content = json.dumps(document, indent=indent)
    lines = content.split("\n")
    for path, value in places(document):
        found = re.fullmatch(r"line (\d+): ", str(Place(content, path)))
        assert found
        begins = json.dumps(value, indent=indent).split("\n")[0]
        assert begins in lines[int(found[1]) - 1]
        assert path == () or int(found[1]) > 1


@pytest.mark.parametrize(
    ("content", "path", "word", "line"),
    [
        pytest.param('{\n"a": 1,\n"a": 2}', ("a",), None, 3, id="of-a-key-that-comes-twice-the-last-counts"),
        pytest.param('\n\n [\n 1,\n{"b":\n"x"}]', (1, "b"), None, 6, id="blanks-before-everything"),
        pytest.param('[{"b": [\n"x",\n"y"]}]', (0,), "y", 3, id="a-word-after-the-beginning"),
        pytest.param('[1,\n{"b": 2}]', (1,), "absent", 2, id="a-word-that-is-not-there"),
    ],
)
def test_a_place_is_a_line(content: str, path: Path, word: str | None, line: int):
    assert str(Place(content, path, word)) == f"line {line}: "


def test_a_value_that_is_in_no_text_has_no_line():
    assert str(Place()) == str(Place("[]", None)) == str(Place("", ("a",))) == ""


@pytest.mark.parametrize(
    ("content", "message"), [('{"a":\n1,}', "line 2: not JSON"), ("[" * 100_000, "nested too deeply")]
)
def test_a_text_that_is_not_json_names_the_line(content: str, message: str):
    with pytest.raises(InvalidInput, match=message):
        parse(content)
