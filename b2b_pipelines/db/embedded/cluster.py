"""The files of an embedded PostgreSQL: the account that owns them, their creation, and who may connect."""

import os
import pwd
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from b2b_pipelines.db.embedded.folders import PostgresNotReady, lock, opened, wait_until
from b2b_pipelines.db.embedded.programs import PostgresUnavailable, Programs, as_seen, last_lines, run_program

ROLE = "b2b"


@dataclass(frozen=True)
class Cluster:
    """The directory of a PostgreSQL cluster, and the data directory in it."""

    directory: Path
    durable: bool
    patience: float

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def account(self) -> pwd.struct_passwd | None:
        """Return the account to run the server as.

        None means the current user; root gets an unprivileged account.
        """
        if os.geteuid() != 0:
            return None
        if self.data.exists() and (owner := self.data.stat().st_uid) != 0:
            with suppress(KeyError):
                return pwd.getpwuid(owner)
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                return pwd.getpwnam(name)
        raise PostgresUnavailable(
            "PostgreSQL does not run as root, and this machine has no user postgres: create that user,"
            " run as another user, or set B2B_DATABASE_URL"
        )

    def create(self, programs: Programs, account: pwd.struct_passwd | None) -> None:
        """Run `initdb` in a temporary directory, then rename it.

        A killed attempt therefore leaves nothing that looks like data.
        """
        unfinished = self.directory / "data.unfinished"
        unfinished.mkdir(mode=0o700, exist_ok=True)
        with opened(unfinished) as folder:
            if not wait_until(lambda: lock(folder), self.patience):
                raise PostgresNotReady(f"another command is creating a database in {self.directory}: try again")
            for left in unfinished.iterdir():
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
            self.own(unfinished, account)
            # Case mapping of all letters and order by code point, independent of the machine's locales.
            builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            locale = builtin if programs.version >= 17 else ["--locale=C.UTF-8"]
            sync = [] if self.durable else ["--no-sync"]
            done = run_program(
                [
                    f"{programs.folder}/initdb",
                    *("-D", as_seen(folder, unfinished, account), f"--username={ROLE}", "--auth=peer"),
                    *("--encoding=UTF8", "--data-checksums", "--no-instructions", *locale, *sync),
                ],
                account,
                folder,
            )
            if done.returncode != 0:
                raise PostgresUnavailable(f"initdb failed in {self.directory}: {last_lines(done.stdout)}")
            unfinished.rename(self.data)
        with opened(self.directory) as folder:
            os.fsync(folder)

    def admit(self) -> None:
        """Admit only root and the owner of this directory, both as the role that owns everything."""
        uids = {0, self.directory.stat().st_uid}
        names = sorted(account_name(uid) for uid in uids)
        (self.data / "pg_hba.conf").write_text(f"local all {ROLE} peer map=owner\n", encoding="utf-8")
        (self.data / "pg_ident.conf").write_text(
            "".join(f'owner "{name}" {ROLE}\n' for name in names), encoding="utf-8"
        )

    def own(self, path: Path, account: pwd.struct_passwd | None) -> None:
        """Give `path` and its contents to the account, unless the account owns `path` already."""
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
        if account is None or path.stat().st_uid == account.pw_uid:
            return
        for parent, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(Path(parent, name), account.pw_uid, account.pw_gid, follow_symlinks=False)
        os.chown(path, account.pw_uid, account.pw_gid)


def account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise PostgresUnavailable(
            f"user id {uid} has no name on this machine, and PostgreSQL needs one: add it to /etc/passwd,"
            " or set B2B_DATABASE_URL"
        ) from None
