"""`b2b doctor`: capabilities that are on or off, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from b2b_pipelines.cli import console, live_check
from b2b_pipelines.cli.console import AsJson, Surroundings, Verbose
from b2b_pipelines.errors import B2BError, InvalidInput, NotConfigured
from b2b_pipelines.plural import counted

if TYPE_CHECKING:
    from b2b_pipelines.doctor import Reply
    from b2b_pipelines.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One capability: whether it is on, and a note or what to do. A broken one is off, though it is set."""

    capability: str
    on: bool
    says: str
    broken: bool = False


def doctor(
    ask: Annotated[
        bool, typer.Option("--ask", help="Sign in at each service that is on, and make one harmless request.")
    ] = False,
    live: live_check.Live = None,
    quota: live_check.WithQuota = False,
    report: live_check.ReportFile = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List the capabilities of this installation, and the settings that are missing for the others.

    Without --ask no service is asked, and only settings that cannot be used give exit status 1. With --ask, exit status
    1 when a service that is on does not work. The missing role is named.
    """
    if live is None and (quota or report):
        console.wrong_usage("--quota and --report need --live SPREADSHEET")
    with console.surroundings() as here:
        if live is not None:
            live_check.run(here, live, quota=quota, report_file=report, as_json=as_json)
            return
        findings = [_database(here), *_vendors(here.settings)]
        if findings[0].on:
            findings += _purged(here)
        share_with = _share_with(here.settings)
        replies = _asked(here, findings) if ask else []
    works = {reply.capability: reply.works for reply in replies}
    rows = [asdict(finding) | {"state": _state(finding, works)} for finding in findings]
    if as_json:
        asked = [asdict(reply) | {"role": reply.role} for reply in replies]
        console.print_json({"capabilities": rows, "share_sheets_with": share_with, **({"asked": asked} if ask else {})})
    else:
        console.print_rows(rows, {"capability": "Capability", "state": "State", "says": "Note"}, as_json=False)
        if not ask:
            console.say("No service was asked. `b2b doctor --ask` checks that the services that are on work.")
        for reply in replies:
            console.say(f"{reply.capability}: {'works' if reply.works else 'DOES NOT WORK'}: {reply.says}")
            if not reply.works and reply.role:
                console.say(f"{reply.capability} needs {reply.role}.")
    broken = not findings[0].on or any(finding.broken for finding in findings)
    raise typer.Exit(1 if broken or not all(works.values()) else 0)


def _state(finding: Finding, works: Mapping[str, bool]) -> str:
    """Return what is known of a capability: a service that was not asked may be dead."""
    from b2b_pipelines.doctor.roles import ROLES

    if not finding.on:
        return "broken" if finding.broken else "off"
    if finding.capability in works:
        return "works" if works[finding.capability] else "fails"
    return "on, not asked" if finding.capability in ROLES else "on"


def _asked(here: Surroundings, findings: Sequence[Finding]) -> list[Reply]:
    """Ask the services. A database is needed for the rate limit of requests to Google."""
    from b2b_pipelines.doctor import ask_services

    if not findings[0].on:
        return []
    return ask_services(here.settings, here.database.engine, [finding.capability for finding in findings if finding.on])


def _share_with(settings: Settings) -> str | None:
    from b2b_pipelines.vendors import google_sheets

    try:
        return google_sheets.account(settings).share_with
    except B2BError:
        return None


def _database(here: Surroundings) -> Finding:
    try:
        with here.reading() as reading:
            version = reading.server_version
    except B2BError as error:
        return Finding("database", False, error.message)
    where = f"embedded under {here.settings.home}" if here.settings.embedded else "named by B2B_DATABASE_URL"
    return Finding("database", True, f"PostgreSQL {version}, {where}")


def _vendors(settings: Settings) -> Iterator[Finding]:
    from b2b_pipelines.vendors import google_sheets

    try:
        account = google_sheets.account(settings)
        yield Finding("google_sheets", True, f"share every customer's sheet, as an editor, with {account.share_with}")
    except NotConfigured as error:
        yield Finding("google_sheets", False, error.message)
    except B2BError as error:
        yield Finding("google_sheets", False, error.message, broken=True)
    client: dict[str, object] = {
        "B2B_OAUTH_CLIENT_ID": settings.oauth_client_id,
        "B2B_OAUTH_CLIENT_SECRET": settings.oauth_client_secret,
    }
    lms = {"B2B_LMS_URL": settings.lms_url, **client}
    yield _needs("studio", "creates contract runs in edX", {"B2B_STUDIO_URL": settings.studio_url, **lms})
    yield _needs("lms", "ends enrollments and unlinks learners", lms)
    yield _needs("license_manager", "reads licenses", {"B2B_LICENSE_MANAGER_URL": settings.license_manager_url, **lms})
    yield _needs(
        "unlinking",
        f"for {counted(len(settings.unlink_customers), 'customer')}",
        {"B2B_UNLINK_CUSTOMERS": settings.unlink_customers, **lms},
    )
    yield _academies(
        settings,
        {
            "B2B_ENTERPRISE_CATALOG_URL": settings.enterprise_catalog_url,
            "B2B_ACADEMY_CUSTOMER": settings.academy_customer,
            **lms,
        },
    )
    yield _needs("stripe_prices", f"from {settings.stripe_api_url}", {"B2B_STRIPE_API_KEY": settings.stripe_api_key})
    oidc: dict[str, object] = {
        "B2B_OIDC_ISSUER": settings.oidc_issuer,
        "B2B_OIDC_CLIENT_ID": settings.oidc_client_id,
        "B2B_OIDC_CLIENT_SECRET": settings.oidc_client_secret,
    }
    yield _needs("openid_connect", "people sign in to the pages through it", oidc)
    yield _needs("heartbeat", "calls the URL every minute", {"B2B_HEARTBEAT_URL": settings.heartbeat_url})
    yield _needs("stripe_events", "verifies events", {"B2B_STRIPE_WEBHOOK_SECRET": settings.stripe_webhook_secret})
    yield _needs(
        "alerts",
        f"sends {settings.alert_format} messages (`b2b alerts test` sends one now)",
        {"B2B_ALERT_WEBHOOK_URL": settings.alert_webhook_url},
    )


def _purged(here: Surroundings) -> list[Finding]:
    """Return a finding for each customer whose learners license-manager erases before they are unlinked."""
    from b2b_pipelines.licenses import service as licenses

    if not here.settings.unlink_customers:
        return []
    with here.session() as session:
        words = licenses.purged_too_early(session, here.settings)
    return [Finding("unlinking_in_time", False, each) for each in words]


def _academies(settings: Settings, values: Mapping[str, object]) -> Finding:
    from b2b_pipelines.academies.selection import read_selection

    try:
        read_selection(settings)
    except InvalidInput as error:
        return Finding("enterprise_catalog", False, error.message, broken=True)
    return _needs("enterprise_catalog", "reads academies", values)


def _needs(capability: str, says: str, values: Mapping[str, object]) -> Finding:
    """Return a finding that is on if every setting has a value, else off and naming the missing ones."""
    missing = [name for name, value in values.items() if not value]
    return Finding(capability, False, f"set {', '.join(missing)}") if missing else Finding(capability, True, says)
