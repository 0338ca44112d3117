"""Run `b2b` commands in processes of their own, without loading every module again for each.

Reads lines of JSON, `{"argv": […], "env": {…}}`; answers each with the process's id, and with its status once it ended
(negative: the signal that killed it).
"""

import json
import os
import sys
from importlib import import_module

LOADED_BEFORE_THE_FORK = (
    "alembic.command",
    "b2b_pipelines.db.connect",
    "b2b_pipelines.models",
    "b2b_pipelines.vendors.open_edx",
    "httpcore",
    "rich.traceback",
    "sqlalchemy.dialects.postgresql.psycopg2",
)


def serve() -> None:
    from b2b_pipelines.cli import console, main

    for name in LOADED_BEFORE_THE_FORK:
        import_module(name)
    commands = main.commands("licenses")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            os.environ.update(asked["env"])
            nowhere = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            console.run(commands, "b2b", asked["argv"])
        print(child, file=answers, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


if __name__ == "__main__":
    serve()
