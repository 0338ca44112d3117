"""`b2b token`: tokens of the HTTP API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsCsv, AsJson, Verbose
from b2b_pipelines.reports import listings
from b2b_pipelines.tokens.rules import Scope

if TYPE_CHECKING:
    from b2b_pipelines.tokens.service import Listed

commands = console.app("Tokens for the API and the contract manager's pages.")

COLUMNS = {
    "id": "ID",
    "name": "Name",
    "organization": "Organization",
    "scopes": "Scopes",
    "created_at": "Created",
    "revoked_at": "Revoked",
}


@commands.command("create", epilog="Example: b2b token create --name storefront --scope checkout --organization ACME")
def create(
    name: Annotated[str, typer.Option("--name", help="The name of the token, such as the program that uses it.")],
    organization: Annotated[
        str | None, typer.Option("--organization", metavar="ORG_KEY", help="Restrict it to this organization.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help=f"A permission: {', '.join(Scope)}. Repeatable. Default: read.")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Create a token and print it. It is shown once, because only its hash is stored."""
    from b2b_pipelines.tokens import service

    with console.surroundings() as here, here.session() as session:
        made, text = service.create(session, name, scope or (), organization)
    if as_json:
        console.print_json({**_shown(made), "token": text})
    else:
        console.say(text)
        console.warn(f"Token {made.token.id} ({made.token.name}) was created. Store it now: it is not shown again.")


@commands.command("list", epilog="Example: b2b token list")
def list_tokens(as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List all tokens, revoked ones too. The text of a token is never shown."""
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(listings.TOKENS)
    if not as_json and not as_csv:
        rows = [{**row, "scopes": ", ".join(row["scopes"])} for row in rows]
    console.print_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv)


@commands.command("revoke", epilog="Example: b2b token revoke 3")
def revoke(
    token_id: Annotated[int, typer.Argument(metavar="ID", help="The token's id.", min=1, max=2**63 - 1)],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Revoke a token, and end every browser session opened with it."""
    from b2b_pipelines.tokens import service

    with console.surroundings() as here, here.session() as session:
        revoked = service.revoke(session, token_id, datetime.now(UTC))
    if as_json:
        console.print_json(_shown(revoked))
    else:
        console.say(f"Token {token_id} ({revoked.token.name}) was revoked.")


def _shown(listed: Listed) -> dict[str, Any]:
    token, organization = listed.token, listed.organization
    return {
        "id": token.id,
        "name": token.name,
        "organization": organization.org_key if organization else None,
        "scopes": list(token.scopes),
        "created_at": token.created_at,
        "revoked_at": token.revoked_at,
    }
