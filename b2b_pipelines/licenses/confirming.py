"""Asking the LMS whether learners who were unlinked are still linked.

The question must not rest on the key of the action: the LMS answers 200 for an address that it does not know. So learners
are looked up by LMS user too, where that is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses import store
from b2b_pipelines.licenses.outcome import Forgotten
from b2b_pipelines.licenses.work import required
from b2b_pipelines.vendors.open_edx import EnterpriseLms

SAMPLE = 20
"""How many of the learners unlinked last are looked up in the LMS by address; by user, five times as many."""


@dataclass(frozen=True)
class Confirmation:
    """The answer of the LMS about a sample of the unlinked.

    `still_linked` are the licenses of learners whom it lists by their address, `under_another_address` of those whom it
    lists by their LMS user only. `blind`: it lists no learner of the customer at all, so its answers confirm nothing.
    """

    asked: int
    still_linked: Sequence[UUID] = ()
    under_another_address: Sequence[UUID] = ()
    blind: bool = False


def confirm_unlinked(
    database: Database,
    lms: EnterpriseLms | None,
    customer: UUID,
    now: datetime,
    *,
    forgotten: Sequence[Forgotten] = (),
) -> Confirmation:
    """Ask the LMS for some of the learners who were unlinked within a day before `now`, the last ones first.

    `forgotten` are those whom the database does not know any more. Raises the LMS's errors, and `NotConfigured` when
    there are learners to ask for and no LMS.
    """
    with database.session() as session:
        known = store.recently_unlinked(session, customer, SAMPLE * 5, now)
    unlinked = [*((each.license_uuid, each.address, each.lms_user_id) for each in forgotten), *known][: SAMPLE * 5]
    if not unlinked:
        return Confirmation(0)
    client = required(lms)
    if not client.lists_anybody(customer):
        return Confirmation(len(unlinked), blind=True)
    by_address = [uuid for uuid, address, _ in unlinked[:SAMPLE] if client.is_linked(customer, address)]
    users = {user for _, _, user in unlinked if user is not None}
    linked_users = {learner.user_id for learner in client.linked_users(customer, sorted(users))} if users else set()
    by_user = [uuid for uuid, _, user in unlinked if user in linked_users and uuid not in by_address]
    return Confirmation(len(unlinked) if users else min(len(unlinked), SAMPLE), by_address, by_user)
