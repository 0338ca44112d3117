"""`b2b licenses`: bring licenses in, decide about the expired ones, end enrollments, unlink learners."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Surroundings, Verbose
from b2b_pipelines.errors import B2BError, InvalidInput, NotConfigured
from b2b_pipelines.licenses.rules import Decision, Policy
from b2b_pipelines.values import utc

if TYPE_CHECKING:
    from b2b_pipelines.licenses.brakes import HeldPlan
    from b2b_pipelines.licenses.service import Outcome
    from b2b_pipelines.licenses.verdicts import Decided

    Step = Callable[..., Outcome]

commands = console.app("Licenses: end the enrollments of expired ones, and unlink their learners long after.")

Customer = Annotated[UUID | None, typer.Option("--customer", metavar="UUID", help="This enterprise customer only.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide the same, ask and write nothing.")]
Internal = Annotated[bool, typer.Option("--include-internal", help="Take plans for internal use in.")]


@commands.command("import")
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
    """Bring in plans and licenses, all or nothing. Importing the same again changes nothing."""
    from b2b_pipelines.licenses import service

    if plans is None and licenses is None:
        console.wrong_usage("name a file with --plans, with --licenses, or both")
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
        console.warn(f"{name}: not used: {', '.join(ignored)}")
    counts = {"plans": asdict(imported.plans), "licenses": asdict(imported.licenses)}
    if as_json:
        console.print_json({**counts, "ignored": imported.ignored, "held": [_held(each) for each in imported.held]})
    else:
        rows = [{"what": what, **numbers} for what, numbers in counts.items()]
        columns = {"what": "", "created": "Created", "updated": "Updated", "unchanged": "Unchanged"}
        console.print_rows(rows, columns, as_json=False)


@commands.command("expired", short_help="Expired licenses, what is to be done, and why.")
def expired(
    customer: Customer = None,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="As of this time, ISO 8601 with zone.")] = None,
    decision: Annotated[Decision | None, typer.Option("--decision", help="Those with this decision only.")] = None,
    include_internal: Internal = False,
    show_emails: Annotated[bool, typer.Option("--show-emails", help="Show e-mail addresses too.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Every expired license that somebody holds, what is to be done about it, and why."""
    from b2b_pipelines.licenses import service, store, verdicts

    moment = datetime.now(UTC) if at is None else _moment(at)
    with console.surroundings() as here, here.session() as session:
        policy = service.policy(here.settings, moment, include_internal=include_internal)
        store.agreements(session, customer)
        decided = verdicts.decide(session, policy, customer=customer, decision=decision).decided
    rows = [_shown(row, policy, show_emails=show_emails) for row in decided]
    columns = {"license_uuid": "License", "plan_uuid": "Plan", "decision": "Decision", "reason": "Reason"}
    console.print_rows(rows, columns | ({"user_email": "E-mail"} if show_emails else {}), as_json=as_json)
    if not as_json:
        counts = Counter(row.verdict.decision for row in decided)
        console.say(
            ", ".join(f"{counts[kind]} {kind}" for kind in Decision if counts[kind]) or "No license has expired."
        )


@commands.command("terminate")
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
        service.terminate, "ended", customer, dry_run=dry_run, include_internal=include_internal, as_json=as_json
    )


@commands.command("unlink", short_help="Unlink the learners of licenses past their grace.")
def unlink(
    customer: Customer = None,
    dry_run: DryRun = False,
    include_internal: Internal = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Unlink the learners of licenses that are past their grace, for the customers in B2B_UNLINK_CUSTOMERS."""
    from b2b_pipelines.licenses import service

    _each_customer(
        service.unlink, "unlinked", customer, dry_run=dry_run, include_internal=include_internal, as_json=as_json
    )


@commands.command("confirm", short_help="Confirm the expiration date of a plan that is held.")
def confirm(
    plan: Annotated[UUID, typer.Argument(metavar="PLAN", help="The plan's uuid.")],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """End the hold of a plan whose expiration date was moved into the past: the date is right."""
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
            f"Plan {plan} of customer {customer} is no longer held: it ended {held.moved_to.isoformat()}, "
            f"not {held.moved_from.isoformat()}."
        )
    else:
        console.say(f"Plan {plan} of customer {customer} is not held.")


@commands.command("customers", short_help="The enterprise customers there are.")
def customers(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """The enterprise customers there are, and whether their learners are unlinked."""
    from b2b_pipelines.licenses import store

    with console.surroundings() as here, here.session() as session:
        rows: list[dict[str, Any]] = [
            {**row._mapping, "unlinking": row.customer in here.settings.unlink_customers}
            for row in store.customer_counts(session)
        ]
    columns = {
        "customer": "Customer",
        "name": "Name",
        "plans": "Plans",
        "expired_plans": "Expired",
        "licenses": "Licenses",
        "unseen": "No longer seen",
        "unlinking": "Unlinking",
    }
    console.print_rows(rows, columns, as_json=as_json)


def _each_customer(
    step: Step, did: str, customer: UUID | None, *, dry_run: bool, include_internal: bool, as_json: bool
) -> None:
    """Take the step for every customer, whatever becomes of the others; exit status 1 when anything of any failed."""
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
            console.say("There is no enterprise customer yet: `b2b licenses import` brings plans and licenses in.")
    if any(outcome.is_failure for outcome in outcomes):
        raise typer.Exit(1)


def _outcomes(
    here: Surroundings, step: Step, customers: Sequence[UUID], policy: Policy, *, dry_run: bool
) -> list[Outcome]:
    from b2b_pipelines.licenses.connection import enterprise_lms
    from b2b_pipelines.licenses.service import Outcome

    outcomes: list[Outcome] = []
    run_id = f"command {os.getpid()} {policy.now:%Y-%m-%dT%H:%M:%S}"
    with enterprise_lms(here.settings) as lms, console.progress("Customers", len(customers)) as ticker:
        for customer in customers:
            try:
                outcomes.append(step(here.database, lms, customer, policy, run_id=run_id, dry_run=dry_run))
            except NotConfigured:
                raise
            except B2BError as error:
                outcomes.append(Outcome(customer, dry_run, errors=[error.message]))
            ticker.advance()
    return outcomes


def _send_alerts(here: Surroundings) -> None:
    """Send the alert about held plans; one that the webhook does not take is kept and sent with the next."""
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


def _say(outcome: Outcome, did: str) -> None:
    would = "would be " if outcome.dry_run else ""
    console.say(
        f"{outcome.customer}: {outcome.done} licenses {would}{did}, {outcome.failed} {would}failed, "
        f"{outcome.skipped} {would}skipped"
    )
    for line in outcome.notes:
        console.say(f"  {'would be kept: ' if outcome.dry_run else ''}{line}")
    for line in outcome.errors:
        console.say(f"  failed: {line}")


def _shown(row: Decided, policy: Policy, *, show_emails: bool) -> dict[str, Any]:
    shown = {
        "license_uuid": row.verdict.license_uuid,
        "plan_uuid": row.verdict.plan_uuid,
        "decision": row.verdict.decision.value,
        "reason": row.verdict.reason(policy),
        "customer": row.verdict.customer,
        "expiration_date": row.verdict.expiration_date,
        "no_longer_seen_since": row.unseen_since,
    }
    return shown | ({"user_email": row.address} if show_emails else {})


def _moment(said: str) -> datetime:
    try:
        return utc(said)
    except ValueError as error:
        raise InvalidInput(f"--at {error}") from None
