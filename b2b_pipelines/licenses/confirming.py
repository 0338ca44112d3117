"""Ask the LMS whether unlinked learners are still linked.

The question must not reuse the key of the action, because the LMS answers 200 for an unknown address. Learners are
therefore looked up by LMS user as well, where the user is known.
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
"""The number of last unlinked learners to look up by address; by LMS user, five times as many."""


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
    """Ask the LMS for some of the learners unlinked within a day before `now`.

    The last ones come first. `forgotten` are learners who are already erased from the database. Raises the LMS's
    errors, and `NotConfigured` when there are learners to look up and the LMS is not configured.
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
