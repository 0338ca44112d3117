"""Lines of the demo and the sandbox: on a terminal, in a pipe, and without Unicode."""

import json
import os
import pty
import subprocess
import sys

STORY = (
    "   leadership-2026  25 seats and two courses: each seat has a code for each course, and the sheet shows one a seat"
)
COMMAND = f"   .venv/bin/b2b learner attach 62282c7f-20d7-48ae-aafb-4d82f4cba434 {'kim' * 20}@example.com"
SAYS = f"from sandbox.commands.speaking import print_json, say, show; say({STORY!r}); show({COMMAND!r}); print_json([{STORY!r}])"


def spoken(program: str, *, terminal: bool, **environment: str) -> str:
    """Return the output of a program on a terminal of 80 columns, or in a pipe."""
    command, env = [sys.executable, "-c", program], {**os.environ, "COLUMNS": "80", **environment}
    if not terminal:
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=env, stdout=theirs)
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:  # Linux's end of a terminal
        pass
    os.close(ours)
    assert process.wait(10) == 0
    return written.decode().replace("\r\n", "\n")


def test_a_story_wraps_at_spaces_on_a_terminal_and_what_people_copy_stays_whole() -> None:
    shown = spoken(SAYS, terminal=True)
    story, _, rest = shown.partition(COMMAND)
    lines = story.splitlines()
    assert len(lines) == 2 and max(map(len, lines)) <= 80
    assert story.split() == STORY.split()
    assert json.loads(rest) == [STORY]


def test_in_a_pipe_a_line_stays_a_line() -> None:
    assert spoken(SAYS, terminal=False).splitlines()[:2] == [STORY, COMMAND]


def test_a_terminal_without_unicode_gets_escapes_and_no_traceback() -> None:
    program = "from sandbox.commands.speaking import say; say('Leading → Teams')"
    assert spoken(program, terminal=False, PYTHONIOENCODING="ascii") == "Leading \\u2192 Teams\n"
