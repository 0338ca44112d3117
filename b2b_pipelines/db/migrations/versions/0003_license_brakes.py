"""license brakes: holds, retired licenses, people recognized"""

import unicodedata
from contextlib import suppress
from hashlib import blake2b

import idna
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

AT_ONCE = 10_000
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


def upgrade() -> None:
    op.add_column("customer_agreement", sa.Column("purge_days", sa.BigInteger(), nullable=True))
    op.add_column("subscription_plan", sa.Column("plan_type", sa.Text(), nullable=True))
    op.add_column("subscription_plan", sa.Column("held_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("subscription_plan", sa.Column("held_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("subscription_plan", sa.Column("licenses_counted", sa.BigInteger(), nullable=True))
    op.add_column("plan_renewal", sa.Column("listed", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("license", sa.Column("person_key", sa.Text(), nullable=True))
    op.add_column("license", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    _fill_person_keys()
    op.create_index(
        "ix_license_person_key",
        "license",
        ["person_key"],
        unique=False,
        postgresql_where=sa.text("person_key IS NOT NULL"),
    )


def _fill_person_keys() -> None:
    """Recognize who holds the known licenses; addresses in ASCII, which most are, in one statement."""
    op.execute(
        r"UPDATE license SET user_email = NULL, email_key = NULL WHERE email_key IN ('null', '\n', 'none', 'nan')"
    )
    op.execute(
        "UPDATE license SET person_key = email_key WHERE email_key IS NOT NULL AND octet_length(email_key) = length(email_key)"
    )
    connection = op.get_bind()
    others = sa.text(
        "SELECT uuid, email_key FROM license WHERE email_key IS NOT NULL AND person_key IS NULL AND uuid > :after"
        " ORDER BY uuid LIMIT :limit"
    )
    keep = sa.text("UPDATE license SET person_key = :person WHERE uuid = :uuid")
    forget = sa.text("UPDATE license SET user_email = NULL, email_key = NULL WHERE uuid = :uuid")
    after = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(others, {"after": after, "limit": AT_ONCE}).all():
        people = [{"uuid": row.uuid, "person": _person_key(row.email_key)} for row in rows]
        for statement, some in (
            (keep, [each for each in people if each["person"]]),
            (forget, [{"uuid": each["uuid"]} for each in people if not each["person"]]),
        ):
            if some:
                connection.execute(statement, some)
        after = rows[-1].uuid


# As `licenses.identity` computes it at the time of this migration.
def _person_key(spelling: str) -> str | None:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _visible(spelling)).casefold())
    local, at, domain = _visible(folded).strip().rpartition("@")
    with suppress(idna.IDNAError, UnicodeError):
        domain = idna.encode(domain, uts46=True).decode() if at else domain
    key = f"{local}{at}{domain}"
    return key if len(key.encode()) <= 1500 else f"{key[:100]}…{blake2b(key.encode()).hexdigest()}"


def _visible(text: str) -> str:
    return "".join(
        letter
        for letter in text
        if unicodedata.category(letter) != "Cf" and letter not in INVISIBLE and not "\ufe00" <= letter <= "\ufe0f"
    )


def downgrade() -> None:
    op.drop_index("ix_license_person_key", table_name="license", postgresql_where=sa.text("person_key IS NOT NULL"))
    op.drop_column("license", "retired_at")
    op.drop_column("license", "person_key")
    op.drop_column("plan_renewal", "listed")
    op.drop_column("subscription_plan", "licenses_counted")
    op.drop_column("subscription_plan", "held_from")
    op.drop_column("subscription_plan", "held_since")
    op.drop_column("subscription_plan", "plan_type")
    op.drop_column("customer_agreement", "purge_days")
