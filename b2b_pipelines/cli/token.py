"""`b2b token`: who may use the API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose
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


@commands.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="What the token is for.")],
    organization: Annotated[
        str | None, typer.Option("--organization", metavar="ORG_KEY", help="Bind it to that organization.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help=f"What it may do: {', '.join(Scope)}; repeatable.")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make a token and print it, this once: only its hash is kept. Without --scope it may read."""
    from b2b_pipelines.tokens import service

    with console.surroundings() as here, here.session() as session:
        made, text = service.create(session, name, scope or (), organization)
    if as_json:
        console.print_json({**_shown(made), "token": text})
    else:
        console.say(text)
        console.warn(f"Token {made.token.id} for {made.token.name}: keep it now, it is not shown again.")


@commands.command("list")
def list_tokens(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Show every token there is, revoked ones too; never its text."""
    from b2b_pipelines.tokens import service

    with console.surroundings() as here, here.session() as session:
        rows = [_shown(listed) for listed in service.every_token(session)]
    if not as_json:
        rows = [{**row, "scopes": ", ".join(row["scopes"])} for row in rows]
    console.print_rows(rows, COLUMNS, as_json=as_json)


@commands.command("revoke")
def revoke(
    token_id: Annotated[int, typer.Argument(metavar="ID", help="The token's id.", min=1, max=2**63 - 1)],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """End a token, and every browser session opened with it, at once."""
    from b2b_pipelines.tokens import service

    with console.surroundings() as here, here.session() as session:
        revoked = service.revoke(session, token_id, datetime.now(UTC))
    if as_json:
        console.print_json(_shown(revoked))
    else:
        console.say(f"Token {token_id} ({revoked.token.name}) is revoked.")


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
