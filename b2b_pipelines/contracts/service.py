"""Use cases of a contract manager: create and change a contract, give and take courseware.

Every use case takes the contract's lock first, decides with `rules` and writes through `store`. The caller commits.
Codes belong to `enrollment_codes.service`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import rules, store
from b2b_pipelines.contracts.models import Contract, Course, CourseRun, Organization
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import EdxState, IntegrationType
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.errors import Conflict, InvalidInput, NotFound, Refused

NO_CHANGE: Final = ContractPatch()

Changed: TypeAlias = Mapping[str, tuple[Any, Any]]
"""Fields that differ, each with its value before and after."""


@dataclass(frozen=True, slots=True)
class CoursewareChange:
    """The result of giving or taking back courseware.

    `created` and `removed` hold courseware ids of runs, `skipped` and `without_source` readable ids of courses,
    `guessed_source` those whose source run was guessed. `restored` are those of `created` that the contract had before.
    `withdrawn` and `reinstated` are ids of products whose codes must follow.
    """

    created: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    without_source: list[str] = field(default_factory=list)
    guessed_source: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)
    reinstated: list[int] = field(default_factory=list)


def create_contract(
    session: Session,
    organization_reference: str,
    name: str,
    integration: IntegrationType,
    terms: ContractPatch = NO_CHANGE,
    *,
    create_organization: bool = False,
    org_key: str | None = None,
) -> Contract:
    """Create a contract, and with `create_organization` its organization if it does not exist.

    Raises `NotFound` for an unknown organization, `Conflict` for a taken org key or tab, `InvalidInput` for bad values.
    """
    ContractPatch(name=name)  # raises for a bad name before anything is created
    lock_names(session)
    organization = store.organization(session, organization_reference)
    if organization is None:
        if not create_organization:
            raise NotFound(f"no organization {organization_reference!r}: use --create to make it")
        organization = _new_organization(session, organization_reference, org_key)
    elif org_key is not None and org_key != organization.org_key:
        raise Conflict(f"the organization {organization.name!r} exists with the org key {organization.org_key}")
    slug = rules.contract_slug_from(name, organization.slug)
    contract = Contract(
        organization=organization,
        name=name.strip(),
        description="",
        active=True,
        slug=rules.unique_slug(slug, store.slugs_like(session, Contract, slug)),
        integration_type=integration,
    )
    _apply(session, contract, terms)
    session.add(contract)
    session.flush()
    session.refresh(contract)
    return contract


def create_organization(session: Session, name: str, org_key: str | None = None) -> Organization:
    """Create an organization.

    Raises `Conflict` for a name or org key that is taken, `InvalidInput` for a bad one.
    """
    lock_names(session)
    if (taken := store.organization(session, name)) is not None:
        raise Conflict(f"the organization {taken.name!r} exists already, with the org key {taken.org_key}")
    return _new_organization(session, name, org_key)


def same_named(session: Session, contract: Contract) -> Sequence[str]:
    """Return the slugs of the organization's other contracts with the same name, ignoring case."""
    return store.slugs_named(session, contract.organization_id, contract.name, but_for=contract.id)


def lock_names(session: Session) -> None:
    """Wait until no other transaction assigns names, slugs or tabs.

    Take this lock before any contract's lock.
    """
    transaction_lock(session, "names", "organizations and contracts")


def change_terms(session: Session, contract: Contract, patch: ContractPatch) -> Changed:
    """Apply a patch to a locked contract.

    Return the fields that differ, each with its value before and after.

    Dates of existing runs do not change. A patch that names a sheet requires `lock_names` before the contract's lock.
    Raises `InvalidInput` for terms that contradict each other, `Conflict` for a tab of another contract.
    """
    changed = _apply(session, contract, patch)
    if changed:
        store.touch(session, contract)
    return changed


def give_courseware(
    session: Session,
    contract: Contract,
    readable_id: str,
    now: datetime,
    *,
    create_runs: bool = True,
    rerun: bool = False,
) -> CoursewareChange:
    """Give a locked contract a course, a program or an existing run.

    New runs are copies of the courses' source runs. A course that the contract has is skipped, unless `rerun` asks for
    a further run. A course that was taken from the contract gets its last run back while that run's enrollment is open.
    Without `create_runs` the course or program is linked only. Raises `NotFound` for unknown courseware, `Conflict` for
    a run of another contract, `Refused` for a course without a source run.
    """
    if rules.RUN_ID.fullmatch(readable_id):
        change = _assign_run(session, contract, readable_id, linking_only=not create_runs or rerun)
    else:
        courses = _courses_meant(session, readable_id)
        one_course = not rules.PROGRAM_ID.fullmatch(readable_id)
        change = (
            _create_runs(session, contract, courses, now, rerun=rerun, alone=one_course)
            if create_runs
            else CoursewareChange()
        )
    store.link(session, contract, readable_id)
    store.touch(session, contract)
    return change


def take_courseware(session: Session, contract: Contract, readable_id: str) -> CoursewareChange:
    """Take a course, program or run from a locked contract and deactivate its products.

    The runs remain, but no longer belong to the contract. Raises `NotFound` when the contract has nothing of the
    courseware.
    """
    held = store.runs_of_contract(session, contract.id)
    if rules.RUN_ID.fullmatch(readable_id):
        runs = [run for run in held if run.courseware_id == readable_id]
        linked = [readable_id]
    else:
        courses = _courses_meant(session, readable_id)
        ids = {course.id for course in courses}
        runs = [run for run in held if run.course_id in ids]
        linked = [readable_id, *(course.readable_id for course in courses), *(run.courseware_id for run in runs)]
    was_linked = store.unlink(session, contract, linked)
    if not runs and not was_linked:
        raise NotFound(f"the contract {contract.slug} has nothing of {readable_id}")
    products = store.release_runs(session, contract, runs)
    store.touch(session, contract)
    return CoursewareChange(removed=[run.courseware_id for run in runs], withdrawn=products)


def _new_organization(session: Session, name: str, org_key: str | None) -> Organization:
    if len(name) > 255 or not name.strip():
        raise InvalidInput("an organization's name has 1 to 255 characters")
    if org_key is not None and not rules.ORG_KEY.fullmatch(org_key):
        raise InvalidInput("an org key has 1 to 30 letters, digits, underscores, dots or hyphens")
    key = org_key or rules.org_key_from(name)
    taken = store.organization(session, key)
    if taken is not None:
        raise Conflict(f"the org key {key} belongs to {taken.name!r}: pass another one with --org-key")
    slug = rules.slug_from(name, key)
    organization = Organization(
        name=name.strip(), slug=rules.unique_slug(slug, store.slugs_like(session, Organization, slug)), org_key=key
    )
    session.add(organization)
    session.flush()
    return organization


def _apply(session: Session, contract: Contract, patch: ContractPatch) -> Changed:
    """Set the new values and validate them together.

    Return the fields that differ, before and after.
    """
    before = {name: getattr(contract, name) for name in patch.values}
    for name, value in patch.values.items():
        setattr(contract, name, value.strip() if name == "name" else value)
    if contract.starts_on and contract.ends_on and contract.starts_on > contract.ends_on:
        raise InvalidInput(f"the contract would end ({contract.ends_on}) before it starts ({contract.starts_on})")
    if contract.sheet_url is not None and patch.names_a_sheet:
        _refuse_shared_tab(session, contract)
    now = {name: getattr(contract, name) for name in before}
    return {name: (old, now[name]) for name, old in before.items() if old != now[name]}


def _refuse_shared_tab(session: Session, contract: Contract) -> None:
    """Raise `Conflict` when another contract names the same tab.

    Names cannot reveal every shared tab; the first sync finds the rest.
    """
    assert contract.sheet_url is not None
    spreadsheet = rules.spreadsheet_id(contract.sheet_url)
    reference = rules.tab_reference(contract.sheet_url, contract.sheet_tab)
    named = "the same tab" if contract.sheet_tab is None else f"the tab {contract.sheet_tab!r}"
    with session.no_autoflush:
        for other in store.contracts_with_sheet(session, spreadsheet):
            if (
                other is not contract
                and rules.spreadsheet_id(other.sheet_url or "") == spreadsheet
                and rules.tab_reference(other.sheet_url or "", other.sheet_tab) == reference
            ):
                raise Conflict(f"{named} of that sheet belongs to the contract {other.slug}: name another with --tab")


def _courses_meant(session: Session, readable_id: str) -> list[Course]:
    """Return the course with that id, or the courses that a program requires.

    Raises `NotFound`, `InvalidInput`.
    """
    if rules.PROGRAM_ID.fullmatch(readable_id):
        if not store.program_exists(session, readable_id):
            raise NotFound(f"no program {readable_id}: register it with `b2b program add`")
        required = rules.courses_of(readable_id, store.program_requirements(session))
    elif rules.COURSE_ID.fullmatch(readable_id):
        required = [readable_id]
    else:
        raise InvalidInput(
            f"{readable_id!r} is not a courseware id: write course-v1:ORG+NUMBER, course-v1:ORG+NUMBER+RUN "
            "or program-v1:ORG+NAME"
        )
    known = store.courses(session, required)
    unknown = [name for name in required if name not in known]
    if unknown:
        raise NotFound(f"no course {', '.join(unknown)}: register it with `b2b course add`")
    return [known[name] for name in required]


def _assign_run(session: Session, contract: Contract, courseware_id: str, *, linking_only: bool) -> CoursewareChange:
    if linking_only:
        raise Refused("--no-create-runs and --rerun go with a course or a program: a run is assigned as it is")
    run = store.run(session, courseware_id)
    if run is None:
        raise NotFound(f"no course run {courseware_id}: register it with `b2b course add … --run`")
    if run.contract_id == contract.id:
        return CoursewareChange(skipped=[courseware_id])
    if run.contract_id is not None:
        owner = store.contract(session, run.contract_id)
        raise Conflict(f"the run {courseware_id} belongs to the contract {owner.slug}")
    if run.released_from_id == contract.id:
        return _restored(session, contract, [run])
    run.contract_id, run.released_from_id, run.released_at = contract.id, None, None
    if run.edx_state is None:
        run.edx_state = EdxState.CREATED
    store.add_product(session, run, contract)
    return CoursewareChange(created=[courseware_id])


def _restored(session: Session, contract: Contract, runs: Sequence[CourseRun]) -> CoursewareChange:
    """Give a contract back the runs that were taken from it, with their products."""
    for run in runs:
        run.contract_id = contract.id
    session.flush()
    products = store.reinstate_products(session, runs, contract.price or Decimal(0))
    ids = [run.courseware_id for run in runs]
    return CoursewareChange(created=list(ids), restored=ids, reinstated=products)


def _create_runs(
    session: Session, contract: Contract, courses: Sequence[Course], now: datetime, *, rerun: bool, alone: bool
) -> CoursewareChange:
    """Create a run of each course for the contract, in one pass over all courses."""
    change = CoursewareChange()
    restored: list[CourseRun] = []
    runs: dict[int, list[CourseRun]] = {course.id: [] for course in courses}
    for run in store.runs_of_courses(session, runs):
        runs[run.course_id].append(run)
    ids = list(store.runs_keyed_by(session, contract.organization))
    made: list[CourseRun] = []
    for course in courses:
        if not rerun and any(run.contract_id == contract.id for run in runs[course.id]):
            change.skipped.append(course.readable_id)
            continue
        if not rerun and (last := _last_open(runs[course.id], contract.id, now)) is not None:
            restored.append(last)
            continue
        source = rules.source_run(_as_sources(runs[course.id]))
        if source is None:
            if alone:
                raise Refused(
                    f"the course {course.readable_id} has no run to copy: add one with `b2b course add … --source-run`"
                )
            change.without_source.append(course.readable_id)
            continue
        if source.guessed:
            change.guessed_source.append(course.readable_id)
        made.append(_contract_run(contract, course, ids, source.id, now))
        ids.append(made[-1].courseware_id)
    session.add_all(made)
    back = _restored(session, contract, restored)
    store.add_products(session, contract)
    change.created.extend([*back.created, *(run.courseware_id for run in made)])
    change.restored.extend(back.restored)
    change.reinstated.extend(back.reinstated)
    return change


def _last_open(runs: Iterable[CourseRun], contract_id: int, now: datetime) -> CourseRun | None:
    """Return the run last taken from the contract.

    None when its enrollment is over or another contract has it.
    """
    released = [run for run in runs if run.contract_id is None and run.released_from_id == contract_id]
    last = max(released, key=lambda run: (run.released_at or now, run.id), default=None)
    is_over = last is not None and last.enrollment_end is not None and last.enrollment_end < now
    return None if is_over else last


def _as_sources(runs: Iterable[CourseRun]) -> list[tuple[int, str, bool]]:
    """Return the runs that can be copied: those that are not copies themselves.

    Of the runs that belong to a contract, only those marked or tagged as a source count.
    """
    return [
        (run.id, run.run_tag, run.is_source)
        for run in runs
        if run.source_run_id is None and (run.contract_id is None or run.is_source or run.run_tag == rules.SOURCE_TAG)
    ]


def _contract_run(
    contract: Contract, course: Course, ids_taken: Iterable[str], source_id: int, now: datetime
) -> CourseRun:
    organization = contract.organization
    stem = rules.courseware_id(organization.org_key_prefix, organization.org_key, course.readable_id, "")
    taken = (name.removeprefix(stem) for name in ids_taken if name.startswith(stem))
    tag = rules.run_tag(now.astimezone(UTC).year, contract.id, taken)
    if len(stem + tag) > rules.LONGEST_ID:
        raise Refused(f"a run of {course.readable_id} would have an id of more than {rules.LONGEST_ID} characters")
    dates = rules.run_dates(contract.starts_on, contract.ends_on, now)
    return CourseRun(
        courseware_id=stem + tag,
        course_id=course.id,
        run_tag=tag,
        title=course.title,
        start=dates.start,
        end=dates.end,
        enrollment_start=dates.start,
        enrollment_end=dates.end,
        contract_id=contract.id,
        source_run_id=source_id,
        edx_state=EdxState.PENDING,
    )
