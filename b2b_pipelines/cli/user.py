"""`b2b user`: people who sign in to the pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsCsv, AsJson, Verbose
from b2b_pipelines.people.rules import Role
from b2b_pipelines.reports import listings

if TYPE_CHECKING:
    from b2b_pipelines.settings import Settings

commands = console.app("People who sign in to the contract manager's pages.")

COLUMNS = {
    "id": "ID",
    "email": "E-mail",
    "role": "Role",
    "signs_in_with": "Signs in with",
    "signed_in_at": "Last signed in",
    "sessions": "Sessions",
}

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's e-mail address.")]


@commands.command("add", epilog="Example: b2b user add kim@example.com --role manager")
def add(
    email: Email,
    role: Annotated[
        str, typer.Option("--role", metavar="ROLE", help=f"{' or '.join(Role)}. A viewer reads, a manager changes.")
    ],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Add a person, and print a one-time link to set a password. An existing person gets the new role."""
    from b2b_pipelines.people import rules, service

    wanted = rules.role(role)
    with console.surroundings() as here, here.session() as session:
        person, secret = service.add(session, email, wanted, datetime.now(UTC))
        shown = {"id": person.id, "email": person.email, "role": str(person.role)}
        link = None if uses_oidc(here.settings) else f"{_base(here.settings)}/welcome/{secret}"
    if as_json:
        console.print_json(shown | {"link": link})
    elif link is None:
        console.say(f"{person.email} ({person.role}) signs in through {here.settings.oidc_issuer}.")
    else:
        console.say(link)
        console.warn(
            f"Send this link to {person.email} ({person.role}). It sets a password once and expires in 3 days."
        )


@commands.command("list", epilog="Example: b2b user list")
def list_people(as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the people who may sign in."""
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(listings.PEOPLE)
    console.print_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv)


@commands.command("remove", epilog="Example: b2b user remove kim@example.com")
def remove(email: Email, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Remove a person, and end their browser sessions."""
    from b2b_pipelines.people import service

    with console.surroundings() as here, here.session() as session:
        person = service.remove(session, email)
    if as_json:
        console.print_json({"result": "removed", "email": person.email})
    else:
        console.say(f"{person.email} can no longer sign in.")


def uses_oidc(settings: Settings) -> bool:
    """Return whether people sign in through OpenID Connect."""
    return settings.oidc_issuer is not None


def _base(settings: Settings) -> str:
    return settings.public_url or "http://127.0.0.1:8000"
