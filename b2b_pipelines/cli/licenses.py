"""`b2b licenses`: import licenses, list expired ones, end enrollments, unlink learners."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import UUID

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsCsv, AsJson, Surroundings, Verbose
from b2b_pipelines.errors import B2BError, InvalidInput, NotConfigured, NotFound
from b2b_pipelines.inputs.times import utc
from b2b_pipelines.licenses.facts import Policy
from b2b_pipelines.licenses.rules import Decision
from b2b_pipelines.licenses.statements import CUSTOMERS
from b2b_pipelines.plural import counted

if TYPE_CHECKING:
    from b2b_pipelines.licenses.brakes import HeldPlan
    from b2b_pipelines.licenses.importing import Imported
    from b2b_pipelines.licenses.service import Outcome

    Step = Callable[..., Outcome]

commands = console.app("Licenses: import them, end the enrollments of expired ones, unlink their learners.")

Customer = Annotated[UUID | None, typer.Option("--customer", metavar="UUID", help="Only this enterprise customer.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen. Change nothing.")]
Internal = Annotated[bool, typer.Option("--include-internal", help="Include plans for internal use.")]


class Did(NamedTuple):
    """The verbs of a step: `Would …`, and `… 3 licenses`."""

    would: str
    did: str


TERMINATED = Did("end the enrollments of", "Ended the enrollments of")
LICENSE_MANAGER_IS_OFF = (
    "license-manager is off: set B2B_LICENSE_MANAGER_URL, B2B_LMS_URL, B2B_OAUTH_CLIENT_ID and B2B_OAUTH_CLIENT_SECRET"
)
UNLINKED = Did("unlink the learners of", "Unlinked the learners of")


@commands.command("import", epilog="Example: b2b licenses import --plans plans.csv --licenses licenses.csv")
def import_(
    plans: Annotated[
        Path | None, typer.Option("--plans", metavar="FILE", help="Plans, as CSV or JSON (docs/files.md).")
    ] = None,
    licenses: Annotated[
        Path | None, typer.Option("--licenses", metavar="FILE", help="Licenses, as CSV or JSON (docs/files.md).")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Import plans and licenses. One invalid line rejects all of them. Importing the same file again changes nothing."""
    from b2b_pipelines.licenses import service

    if plans is None and licenses is None:
        console.wrong_usage("use --plans FILE, --licenses FILE, or both")
    now = datetime.now(UTC)
    with console.surroundings() as here:
        hold = timedelta(hours=here.settings.license_hold_hours)
        with here.session() as session:
            imported = service.import_files(session, plans, licenses, now, hold)
        if imported.held:
            _send_alerts(here)
    for held in imported.held:
        console.warn(str(held))
    for name, ignored in imported.ignored.items():
        console.warn(f"{name}: ignored columns: {', '.join(ignored)}")
    counts = {"plans": asdict(imported.plans), "licenses": asdict(imported.licenses)}
    if as_json:
        console.print_json({**counts, "ignored": imported.ignored, "held": [_held(each) for each in imported.held]})
    else:
        rows = [{"what": what, **numbers} for what, numbers in counts.items()]
        columns = {"what": "", "created": "Created", "updated": "Updated", "unchanged": "Unchanged"}
        console.print_rows(rows, columns, as_json=False)


@commands.command(
    "refresh",
    short_help="Read plans and licenses from license-manager.",
    epilog="Example: b2b licenses refresh --customer 6ae013d4-c5c4-474d-8da9-0e559b2448e2",
)
def refresh(customer: Customer = None, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Read plans and licenses from license-manager, as `subscription_licenses` does, for every known customer or one."""
    from b2b_pipelines.licenses import service, store
    from b2b_pipelines.vendors.connections import license_manager

    now = datetime.now(UTC)
    with console.surroundings() as here, license_manager(here.settings) as client:
        if client is None:
            raise NotConfigured(LICENSE_MANAGER_IS_OFF)
        with here.session() as session:
            known = {*store.customers(session), *here.settings.unlink_customers}
        wanted = sorted(known) if customer is None else [customer]
        hold = timedelta(hours=here.settings.license_hold_hours)
        rows = []
        for each in wanted:
            try:
                rows.append(_refreshed(each, service.read_license_manager(here.database, client, each, now, hold=hold)))
            except B2BError as error:
                rows.append({"customer": each, "error": error.message})
        if any(row.get("held") for row in rows):
            _send_alerts(here)
    _say_refreshed(rows, as_json=as_json)
    if any("error" in row for row in rows):
        raise typer.Exit(1)


@commands.command(
    "expired",
    short_help="List expired licenses with decision and reason.",
    epilog="Example: b2b licenses expired --decision terminate",
)
def expired(
    customer: Customer = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Decide as of this time, ISO 8601 with a zone.")
    ] = None,
    decision: Annotated[
        Decision | None,
        typer.Option(
            "--decision", metavar="DECISION", help=f"Only licenses with this decision: {', '.join(Decision)}."
        ),
    ] = None,
    include_internal: Internal = False,
    show_emails: Annotated[bool, typer.Option("--show-emails", help="Show e-mail addresses.")] = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List the expired licenses that have a learner, each with a decision and its reason."""
    from b2b_pipelines.licenses import verdicts
    from b2b_pipelines.licenses.facts import policy as policy_of

    moment = datetime.now(UTC) if at is None else _moment(at)
    with console.surroundings() as here, here.reading() as reading:
        policy = policy_of(here.settings, moment, include_internal=include_internal)
        if customer is not None and not any(row["customer"] == customer for row in reading.rows(CUSTOMERS)):
            raise NotFound(f"customer {customer} is not known: `b2b licenses customers` lists the known ones")
        given = verdicts.parameters(policy, customer=customer, decision=decision)
        decided = verdicts.decided_in(reading.rows(verdicts.statement(), **given))
    rows = [row.as_row(policy) | ({"user_email": row.address} if show_emails else {}) for row in decided]
    columns = {"license_uuid": "License", "plan_uuid": "Plan", "decision": "Decision", "reason": "Reason"}
    emails = {"user_email": "E-mail"} if show_emails else {}
    console.print_rows(rows, columns | emails, as_json=as_json, as_csv=as_csv)
    if not as_json and not as_csv:
        counts = Counter(row.verdict.decision for row in decided)
        console.say(
            ", ".join(f"{counts[kind]} {kind}" for kind in Decision if counts[kind]) or "No license has expired."
        )


@commands.command("terminate", epilog="Example: b2b licenses terminate --dry-run")
def terminate(
    customer: Customer = None,
    dry_run: DryRun = False,
    include_internal: Internal = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """End the enrollments of licenses whose plan has expired."""
    from b2b_pipelines.licenses import service

    _each_customer(
        service.terminate, TERMINATED, customer, dry_run=dry_run, include_internal=include_internal, as_json=as_json
    )


@commands.command(
    "unlink", short_help="Unlink learners after the grace period.", epilog="Example: b2b licenses unlink --dry-run"
)
def unlink(
    customer: Customer = None,
    dry_run: DryRun = False,
    include_internal: Internal = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Unlink the learners of licenses whose grace period is over, for the customers in B2B_UNLINK_CUSTOMERS."""
    from b2b_pipelines.licenses import service

    _each_customer(
        service.unlink, UNLINKED, customer, dry_run=dry_run, include_internal=include_internal, as_json=as_json
    )


@commands.command(
    "confirm", short_help="Confirm the expiration date of a held plan.", epilog="Example: b2b licenses confirm PLAN"
)
def confirm(
    plan: Annotated[UUID, typer.Argument(metavar="PLAN", help="The plan's UUID.")],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Confirm that a plan's expiration date was moved into the past on purpose, and end the hold."""
    from b2b_pipelines.licenses import service

    with console.surroundings() as here, here.session() as session:
        policy = service.policy(here.settings, datetime.now(UTC))
        customer, held = service.confirm_plan(session, plan, policy)
    if as_json:
        console.print_json(
            {"plan": plan, "customer": customer, "was_held": held is not None, **(_held(held) if held else {})}
        )
    elif held:
        console.say(
            f"Plan {plan} of customer {customer} is released. It ended {held.moved_to.isoformat()}, "
            f"not {held.moved_from.isoformat()}."
        )
    else:
        console.say(f"Plan {plan} of customer {customer} is not held.")


@commands.command(
    "customers", short_help="List the enterprise customers.", epilog="Example: b2b licenses customers --csv"
)
def customers(as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the enterprise customers, and whether their learners are unlinked."""
    with console.surroundings() as here, here.reading() as reading:
        found = reading.rows(CUSTOMERS)
        rows = [{**row, "unlinking": row["customer"] in here.settings.unlink_customers} for row in found]
    columns = {
        "customer": "Customer",
        "name": "Name",
        "plans": "Plans",
        "expired_plans": "Expired",
        "licenses": "Licenses",
        "unseen": "Missing upstream",
        "unlinking": "Unlinking",
    }
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)


def _refreshed(customer: UUID, read: Imported) -> dict[str, Any]:
    return {
        "customer": customer,
        "plans": asdict(read.plans),
        "licenses": asdict(read.licenses),
        "unseen": read.unseen,
        "held": [_held(each) for each in read.held],
        "refused": [{"plan": each.uuid, "reason": each.reason} for each in read.refused],
        "requests": read.requests,
    }


def _say_refreshed(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        console.print_json(rows)
        return
    if not rows:
        console.say("No enterprise customer. Use --customer for the first one.")
    for row in rows:
        if "error" in row:
            console.say(f"{row['customer']}: Failed: {row['error']}")
            continue
        read = (f"{what}: {_counts(row[what])}" for what in ("plans", "licenses"))
        console.say(f"{row['customer']}: {'; '.join(read)}.")
        for each in row["held"]:
            console.say(f"  Held until {each['held_until']:%Y-%m-%d %H:%M} UTC: plan {each['plan']}")
        for each in row["refused"]:
            console.say(f"  Refused: plan {each['plan']}: {each['reason']}")


def _counts(merged: dict[str, int]) -> str:
    return ", ".join(f"{number} {did}" for did, number in merged.items())


def _each_customer(
    step: Step, did: Did, customer: UUID | None, *, dry_run: bool, include_internal: bool, as_json: bool
) -> None:
    """Take the step for every customer, independently of each other. Exit status 1 if any of them failed."""
    from b2b_pipelines.licenses import service, store

    with console.surroundings() as here:
        policy = service.policy(here.settings, datetime.now(UTC), include_internal=include_internal)
        with here.session() as session:
            wanted = [agreement.enterprise_customer_uuid for agreement in store.agreements(session, customer)]
        outcomes = _outcomes(here, step, wanted, policy, dry_run=dry_run)
    if as_json:
        console.print_json([_as_json(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            _say(outcome, did)
        if not outcomes:
            console.say("No enterprise customer. `b2b licenses refresh` and `b2b licenses import` bring them in.")
    if any(outcome.is_failure for outcome in outcomes):
        raise typer.Exit(1)


def _outcomes(
    here: Surroundings, step: Step, customers: Sequence[UUID], policy: Policy, *, dry_run: bool
) -> list[Outcome]:
    from b2b_pipelines.licenses.service import Outcome
    from b2b_pipelines.vendors.connections import enterprise_lms

    outcomes: list[Outcome] = []
    run_id = f"command {os.getpid()} {policy.now:%Y-%m-%dT%H:%M:%S}"
    with enterprise_lms(here.settings) as lms, console.progress("Customers", len(customers)) as advance:
        for customer in customers:
            try:
                outcomes.append(step(here.database, lms, customer, policy, run_id=run_id, dry_run=dry_run))
            except NotConfigured:
                raise
            except B2BError as error:
                outcomes.append(Outcome(customer, dry_run, errors=[error.message]))
            advance(1)
    return outcomes


def _send_alerts(here: Surroundings) -> None:
    """Send the alert about held plans. It stays pending if the webhook does not take it."""
    from b2b_pipelines.alerts import outbox
    from b2b_pipelines.alerts.outbox import AlertNotTaken
    from b2b_pipelines.alerts.webhook import style_of

    try:
        outbox.send(here.database, here.settings.alert_webhook_url, style_of(here.settings))
    except AlertNotTaken as error:
        console.warn(error.message)


def _held(held: HeldPlan) -> dict[str, Any]:
    return {
        "plan": held.plan,
        "customer": held.customer,
        "from": held.moved_from,
        "to": held.moved_to,
        "held_until": held.until,
    }


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "customer": outcome.customer,
        "done": outcome.done,
        "failed": outcome.failed,
        "skipped": outcome.skipped,
        "errors": outcome.errors,
        "notes": outcome.notes,
        "decisions": dict(outcome.decisions),
        "requests": outcome.requests,
        "dry_run": outcome.dry_run,
    }


def _say(outcome: Outcome, did: Did) -> None:
    done = counted(outcome.done, "license")
    if outcome.dry_run:
        console.say(f"{outcome.customer}: Would {did.would} {done} ({outcome.skipped} skipped).")
    else:
        console.say(f"{outcome.customer}: {did.did} {done} ({outcome.failed} failed, {outcome.skipped} skipped).")
    for line in outcome.notes:
        console.say(f"  {'Would keep: ' if outcome.dry_run else ''}{line}")
    for line in outcome.errors:
        console.say(f"  Failed: {line}")


def _moment(value: str) -> datetime:
    try:
        return utc(value)
    except ValueError as error:
        raise InvalidInput(f"--at {error}") from None
