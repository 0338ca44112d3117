"""A dump of the product's database, in `pg_dump`'s own format."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from b2b_pipelines.db.embedded.programs import program_folders
from b2b_pipelines.errors import Refused


def back_up(url: str, file: Path) -> None:
    """Write a dump of the database to a file that only its owner may read. Raises `Refused`.

    Of the installed versions of `pg_dump` the first that fits the server counts: an older one refuses a newer server.
    """
    file.touch(mode=0o600)
    target = make_url(url)
    environment = dict(os.environ)
    if target.password is not None:  # in the environment, because command lines are public
        environment["PGPASSWORD"] = str(target.password)
    address = target.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    reason = "pg_dump is not installed: install PostgreSQL's client, or set PG_BINDIR to its folder"
    for program in _programs():
        command = [program, "--format=custom", f"--file={file}", f"--dbname={address}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode == 0:
            return
        reason = (
            f"{program} failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no reason given'}"
        )
    file.unlink()
    raise Refused(f"No backup was made. {reason}")


def _programs() -> Iterator[str]:
    found = [shutil.which("pg_dump"), *(str(folder / "pg_dump") for folder in program_folders())]
    yield from dict.fromkeys(each for each in found if each and Path(each).exists())
