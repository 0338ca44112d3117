"""Licenses from license-manager to the unlinked learners, customer by customer, in one step.

The chain is `subscription_licenses` → `expired_licenses` → `enrollment_terminations` → `unlinked_learners`. A failure
of one customer ends there, and a run in which ending the enrollments failed does not unlink any learner.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import dagster as dg
from pydantic import Field

from assets import license_checks, license_plots
from assets.failures import as_dagster_failure
from assets.metadata import table, version_of
from assets.partitioned import Link, Output, config_schema, work_through
from assets.partitions import enterprise_customers
from b2b_pipelines.alerts import outbox
from b2b_pipelines.alerts.outbox import AlertNotTaken
from b2b_pipelines.alerts.webhook import style_of
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import Refused
from b2b_pipelines.licenses import service, store
from b2b_pipelines.licenses.facts import EventName, Policy
from b2b_pipelines.licenses.rules import Decision, Verdict
from b2b_pipelines.licenses.service import Forgotten, Imported, Outcome
from b2b_pipelines.settings import Settings, read_settings
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import EnterpriseLms

OWNERS = ["team:b2b"]
PARTITIONS_A_RUN = 100
FRESH = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=50))
"""The chain runs every day."""
DRY_RUN_JOB = "license_expiry_dry_run"
STEP = "license_chain"
ELSEWHERE = {"execution", "loggers", "resources"}
"""Keys of a run config that identify the run and do not change its work."""
TRIED_ONCE_MORE = dg.RetryPolicy(max_retries=1, delay=60)
"""Retries after those of the clients: once more after a minute, for transient errors."""

lms_enrollments = dg.AssetSpec(
    dg.AssetKey(["open_edx", "lms"]),
    description="The LMS: licensed enrollments are ended there, and learners linked to their enterprise.",
    group_name="licenses",
    kinds={"openedx"},
    owners=OWNERS,
)
listed_subscriptions = dg.AssetSpec(
    dg.AssetKey(["license_manager", "subscriptions"]),
    description="License-manager: customers' agreements with their subscription plans, and the holders of their licenses.",
    group_name="licenses",
    kinds={"openedx"},
    owners=OWNERS,
)


def _spec(key: str, deps: Sequence[dg.AssetSpec], description: str, *kinds: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=deps,
        description=description,
        group_name="licenses",
        kinds={"postgres", *kinds},
        owners=OWNERS,
        code_version="1",
        partitions_def=enterprise_customers,
        freshness_policy=FRESH,
        skippable=True,
    )


subscription_licenses = _spec(
    "subscription_licenses",
    [listed_subscriptions],
    "A customer's subscription plans and licenses, as license-manager lists them and files brought them in.",
    "openedx",
)
expired_licenses = _spec(
    "expired_licenses",
    [subscription_licenses],
    "Every held license of an expired plan, with the action that is due and the reason.",
)
enrollment_terminations = _spec(
    "enrollment_terminations",
    [expired_licenses, lms_enrollments],
    "The expired licenses whose course enrollments were ended in the LMS.",
    "openedx",
)
unlinked_learners = _spec(
    "unlinked_learners",
    [enrollment_terminations, lms_enrollments],
    "The learners who were unlinked from their enterprise after the grace period of their licenses.",
    "openedx",
)


ended_enrollments = dg.AssetSpec(
    dg.AssetKey(["open_edx", "ended_enrollments"]),
    deps=[enrollment_terminations],
    description="Enrollments in the LMS that were ended because their license had expired.",
    group_name="licenses",
    kinds={"openedx"},
    owners=OWNERS,
)
enterprise_learners = dg.AssetSpec(
    dg.AssetKey(["open_edx", "enterprise_learners"]),
    deps=[unlinked_learners],
    description="The learners who are linked to their enterprise in the LMS, without those who were unlinked.",
    group_name="licenses",
    kinds={"openedx"},
    owners=OWNERS,
)


class LicenseExpiry(dg.Config):
    """How a run goes about it."""

    dry_run: bool = Field(
        default=False,
        description="Show what would happen; change nothing and send no request: assets are only observed.",
    )
    include_internal: bool = Field(default=False, description="Include plans for internal use.")
    concurrency: int = Field(default=4, description="Customers worked on at the same time.")


@dg.multi_asset(
    name=STEP,
    config_schema=config_schema(LicenseExpiry),
    specs=[subscription_licenses, expired_licenses, enrollment_terminations, unlinked_learners],
    check_specs=license_checks.SPECS,
    can_subset=True,
    partitions_def=enterprise_customers,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=TRIED_ONCE_MORE,
    pool="open_edx",
)
def license_chain(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    lms: dg.ResourceParam[EnterpriseLms | None],
    license_manager: dg.ResourceParam[LicenseManager | None],
) -> Iterator[Output]:
    """Make the selected assets of every customer of the run."""
    config = LicenseExpiry(**context.op_execution_context.op_config)
    with as_dagster_failure():
        require_known_config(context.run.run_config)
    dry_run = config.dry_run or context.run.job_name == DRY_RUN_JOB
    run = _Run(database, lms, license_manager, read_settings(), config.include_internal, context.run.run_id, dry_run)
    links: dict[str, Link] = {
        "subscription_licenses": run.read,
        "expired_licenses": run.decide,
        "enrollment_terminations": partial(run.act, service.terminate, EventName.TERMINATED),
        "unlinked_learners": partial(run.act, service.unlink, EventName.UNLINKED),
    }
    checks = {} if dry_run else license_checks.checks(database, lms, license_manager, run.forgotten)
    yield from work_through(
        context,
        links,
        checks,
        concurrency=config.concurrency,
        dry_run=dry_run,
        names=partial(_names, database),
        database=database,
    )


def _names(database: Database, customers: Sequence[str]) -> Sequence[str]:
    with database.session() as session:
        return sorted(store.names(session, [UUID(customer) for customer in customers]).values())


class UnknownConfig(Refused):
    """The run config of the licenses chain names an op or a key that does not exist."""

    code = "unknown_config"


def require_known_config(run_config: Mapping[str, Any]) -> None:
    """Raise `UnknownConfig` when a run's config names anything but this chain's step and keys.

    Dagster silently drops the config of an op that a job does not have (seen with 1.13): a dry run that names an asset
    instead of the op would unlink for real.
    """
    ops = run_config.get("ops") or {}
    step = ops.get(STEP) or {}
    unknown = [f"ops.{op}" for op in ops if op != STEP]
    unknown += [key for key in run_config if key not in {"ops", *ELSEWHERE}]
    unknown += [f"ops.{STEP}.{key}" for key in step if key != "config"]
    unknown += [f"ops.{STEP}.config.{key}" for key in step.get("config") or {} if key not in LicenseExpiry.model_fields]
    if unknown:
        raise UnknownConfig(
            f"the run config names {', '.join(sorted(unknown))}, which does not exist, so nothing was asked of anybody: "
            f"use ops.{STEP}.config with {', '.join(LicenseExpiry.model_fields)}"
        )


@dataclass(frozen=True)
class _Run:
    """The clients and state of a run; each method makes one partition of an asset."""

    database: Database
    lms: EnterpriseLms | None
    license_manager: LicenseManager | None
    settings: Settings
    include_internal: bool
    run_id: str
    dry_run: bool
    forgotten: dict[str, list[Forgotten]] = field(default_factory=dict, repr=False)
    """By customer: the unlinked and erased holders of retired licenses, for this run's check."""

    def policy(self) -> Policy:
        return service.policy(self.settings, datetime.now(UTC), include_internal=self.include_internal)

    def read(self, key: str) -> dg.MaterializeResult[None]:
        """Read license-manager; without it, or in a dry run, show the stored licenses."""
        began = time.monotonic()
        found: dict[str, Any] = {"source": "stored licenses"}
        if self.license_manager is not None and not self.dry_run:
            policy = self.policy()
            imported = service.read_license_manager(
                self.database, self.license_manager, UUID(key), policy.now, hold=policy.hold
            )
            found = _read(imported) | self._alerted(imported)
        with self.database.session() as session:
            content = store.fingerprint(session, UUID(key))
            purged = service.purged_too_early(session, self.settings, UUID(key))
            name = store.name_of(session, UUID(key))
        return dg.MaterializeResult(
            metadata={
                "dagster/partition_row_count": content.licenses,
                "plans": content.plans,
                **found,
                **({"purged too early": "; ".join(purged)} if purged else {}),
                **self._manner(name, began),
            },
            data_version=version_of(content),
        )

    def decide(self, key: str) -> dg.MaterializeResult[None]:
        """Decide about every expired license."""
        began, policy = time.monotonic(), self.policy()
        with self.database.rehearsal() if self.dry_run else self.database.session() as session:
            verdicts = service.decide(session, UUID(key), policy)
            name = store.name_of(session, UUID(key))
        return dg.MaterializeResult(
            metadata={
                "dagster/partition_row_count": len(verdicts),
                **_by_decision(Counter(verdict.decision for verdict in verdicts)),
                "licenses": table([_row(verdict, policy) for verdict in verdicts]),
                "decided as of": policy.now.isoformat(),
                **self._manner(name, began),
            },
            data_version=version_of([(verdict.license_uuid, verdict.decision) for verdict in verdicts]),
        )

    def act(self, step: Callable[..., Outcome], event: EventName, key: str) -> dg.MaterializeResult[None]:
        """End enrollments, or unlink.

        Raises when anything failed: completed parts are recorded and not repeated.
        """
        began = time.monotonic()
        outcome = step(self.database, self.lms, UUID(key), self.policy(), run_id=self.run_id, dry_run=self.dry_run)
        self.forgotten[key] = outcome.forgotten
        outcome.raise_failures()
        with self.database.session() as session:
            recorded = store.events_recorded(session, UUID(key), event)
            name = store.name_of(session, UUID(key))
        would = "would be " if self.dry_run else ""
        return dg.MaterializeResult(
            metadata={
                "dagster/partition_row_count": recorded,
                f"licenses {would}{event}": outcome.done,
                f"licenses {would}skipped": outcome.skipped,
                "notes": "; ".join(f"{would}kept: {note}" if would else note for note in outcome.notes) or "none",
                "requests": outcome.requests,
                **_by_decision(outcome.decisions),
                **self._manner(name, began),
            },
            data_version=version_of([event, recorded]),
        )

    def _alerted(self, imported: Imported) -> dict[str, Any]:
        """Send the alert about plans that are held since this reading."""
        if not imported.held:
            return {}
        try:
            outbox.send(self.database, self.settings.alert_webhook_url, style_of(self.settings))
            alert = "sent" if self.settings.alert_webhook_url else "B2B_ALERT_WEBHOOK_URL is not set"
        except AlertNotTaken as error:
            alert = error.message
        return {"plans held": "; ".join(map(str, imported.held)), "alert": alert}

    def _manner(self, name: str, began: float) -> dict[str, Any]:
        """Return the customer's name, because a partition's key is a UUID, and how the asset was made."""
        return {"customer": name, "dry run": self.dry_run, "seconds": round(time.monotonic() - began, 3)}


def _read(read: Imported) -> dict[str, Any]:
    return {
        "source": "license-manager",
        "requests": read.requests,
        "no longer seen": read.unseen,
        **(
            {"plans refused": "; ".join(f"{each.uuid}: {each.reason}" for each in read.refused)} if read.refused else {}
        ),
        **{
            f"{what} {did}": number
            for what, merged in (("plans", read.plans), ("licenses", read.licenses))
            for did, number in asdict(merged).items()
        },
    }


def _by_decision(counts: Counter[Decision]) -> dict[str, Any]:
    return {
        "by decision": license_plots.by_decision(counts),
        "decisions": table([{"decision": each.value, "licenses": counts[each]} for each in Decision if counts[each]]),
    }


def _row(verdict: Verdict, policy: Policy) -> dict[str, Any]:
    return {
        "license": str(verdict.license_uuid),
        "plan": str(verdict.plan_uuid),
        "decision": verdict.decision.value,
        "reason": verdict.reason(policy),
    }
