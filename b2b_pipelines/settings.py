"""Settings from the environment, read once into one frozen object."""

import os
import re
from decimal import Decimal
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from b2b_pipelines.errors import Refused
from b2b_pipelines.inputs.complaints import plain_terms

PREFIX = "B2B_"
DRIVER = "postgresql+psycopg2"
TEN_YEARS = 10 * 365 * 24 * 3600
"""Seconds. No sensible period is longer, and date arithmetic with it cannot overflow."""
LARGEST_ID = 2**63 - 1
"""The largest whole number that a column holds."""
PLAIN_URL = re.compile(
    r"postgresql\+psycopg2://(?:\w+(?::\w+)?@)?[\w.-]*(?::\d{1,5})?/\w+(?:\?host=[\w./-]+&port=\d{1,5})?"
)
"""Complete database URLs. Others are parsed by SQLAlchemy, which takes a third of a second to import."""
PROJECT = Path(__file__).resolve().parent.parent


class BadSettings(Refused):
    """A setting is unknown or invalid; the message names it."""

    code = "bad_settings"


def _home() -> Path:
    """Return `.b2b` in the project when it runs from a checkout, else in the working directory."""
    return (PROJECT if (PROJECT / "pyproject.toml").exists() else Path.cwd()) / ".b2b"


def _http_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    if not _names_a_host(value):
        raise ValueError("must name a host, such as https://example.com")
    return value.rstrip("/")


def _names_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number
        return False


def _database_url(value: str) -> str:
    if PLAIN_URL.fullmatch(value):
        return value
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(value)
    except (ArgumentError, ValueError):  # their messages repeat the value with its password
        raise ValueError("is not a database URL, such as postgresql+psycopg2://user:password@host/name") from None
    if url.drivername not in ("postgresql", "postgres", DRIVER):
        raise ValueError(f"must name PostgreSQL and the driver psycopg2 ({DRIVER}://…)")
    return url.set(drivername=DRIVER).render_as_string(hide_password=False)


def _comma_separated(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _network(value: str) -> str:
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError("must be addresses or CIDR blocks, such as 10.0.0.0/8") from None


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must map to whole numbers, never to a boolean")  # noqa: TRY004 (pydantic reports ValueError only)
    return value


def _currency(value: str) -> str:
    if not re.fullmatch("[a-z]{3}", value.lower()):
        raise ValueError("must be the three letters of a currency, such as usd")
    return value.lower()


def _rate(value: str) -> str:
    count, _, unit = value.partition("/")
    if not count.isdecimal() or int(count) < 1 or unit not in ("minute", "hour", "day"):
        raise ValueError("must look like 120/hour, 120/minute or 120/day")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Network = Annotated[str, AfterValidator(_network)]
CatalogQueryId = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=LARGEST_ID)]
Rate = Annotated[str, AfterValidator(_rate)]


class Settings(BaseSettings):
    """Every setting of the installation.

    Field names are the variables without `B2B_`, in lower case.

    A variable that is set but empty counts as not set.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment alone. Files that do not exist would double the time."""
        return init_settings, env_settings

    database_url: Annotated[str, AfterValidator(_database_url)] | None = None
    home: Path = Field(default_factory=_home)

    google_service_account_file: Path | None = None
    google_service_account_json: SecretStr | None = None
    google_oauth_token_file: Path | None = None
    google_sheets_url: HttpUrl = "https://sheets.googleapis.com"
    google_drive_url: HttpUrl = "https://www.googleapis.com"
    gsheets_update_frequency: int = Field(3600, ge=1, le=TEN_YEARS)
    gsheets_update_offset: int | None = Field(None, ge=0)
    gsheets_requests_per_minute: int = Field(60, ge=1)
    sheet_replace: Literal["allow", "ask"] = "allow"
    public_url: HttpUrl | None = None

    studio_url: HttpUrl | None = None
    lms_url: HttpUrl | None = None
    license_manager_url: HttpUrl | None = None
    enterprise_catalog_url: HttpUrl | None = None
    oauth_client_id: str | None = None
    oauth_client_secret: SecretStr | None = None
    lms_timeout_seconds: float = Field(30, gt=0, le=3600)

    stripe_api_key: SecretStr | None = None
    stripe_api_url: HttpUrl = "https://api.stripe.com"
    stripe_webhook_secret: SecretStr | None = None

    unlink_customers: Annotated[frozenset[UUID], NoDecode, BeforeValidator(_comma_separated)] = frozenset()
    unlink_after_days: int = Field(90, ge=0, le=36_500)
    license_hold_hours: int = Field(24, ge=0, le=24 * 365)
    internal_plan_types: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)] = ("Test",)

    academy_customer: UUID | None = None
    academy_uuids: tuple[UUID, ...] = ()
    academy_names: tuple[str, ...] = ()
    academy_catalog_query_ids: dict[str, CatalogQueryId] = Field(default_factory=dict)
    academy_overrides: Path | None = None
    academy_max_deactivated: Decimal = Field(Decimal("0.5"), ge=0, le=1)
    academy_thumbnail_base_url: HttpUrl | None = None
    academy_throttle: Rate = "120/hour"
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_comma_separated)] = ()

    product_url_base: str = "http://localhost:8080/cart/add/?product_id="
    intent_reservation_minutes: int = Field(1440, ge=1, le=TEN_YEARS // 60)
    intent_stalled_after: int = Field(180, ge=1, le=TEN_YEARS)
    currency: Annotated[str, AfterValidator(_currency)] = "usd"
    alert_webhook_url: HttpUrl | None = None
    alert_webhook_secret: SecretStr | None = None
    alert_format: Literal["json", "slack"] = "json"
    heartbeat_url: HttpUrl | None = None
    keep_runs_days: int = Field(14, ge=1, le=36_500)
    keep_failed_days: int = Field(90, ge=1, le=36_500)
    keep_snapshots_days: int = Field(400, ge=1, le=36_500)

    oidc_issuer: HttpUrl | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _one_service_account(self) -> "Settings":
        if self.google_service_account_file and self.google_service_account_json:
            raise ValueError(
                "B2B_GOOGLE_SERVICE_ACCOUNT_FILE and B2B_GOOGLE_SERVICE_ACCOUNT_JSON are both set: unset one of them"
            )
        return self

    @model_validator(mode="after")
    def _whole_oidc_client(self) -> "Settings":
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_client_secret):
            raise ValueError("B2B_OIDC_ISSUER needs B2B_OIDC_CLIENT_ID and B2B_OIDC_CLIENT_SECRET")
        return self

    @cached_property
    def refresh_offset(self) -> int:
        """Return the seconds by which the sheet refresh is shifted, by default half its period."""
        chosen = self.gsheets_update_offset
        return self.gsheets_update_frequency // 2 if chosen is None else chosen % self.gsheets_update_frequency

    @property
    def embedded(self) -> bool:
        """Return whether this installation runs its own PostgreSQL under `home`."""
        return self.database_url is None


def read_settings() -> Settings:
    """Return the settings of this process, from its environment.

    Raises `BadSettings`, naming the variable, for an invalid value or an unknown `B2B_…` name. The message never
    contains a value, because a value may be a secret.
    """
    known = {f"{PREFIX}{field}".upper() for field in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise BadSettings(f"unknown setting {', '.join(unknown)}: see the table of settings in the README")
    try:
        return Settings()
    except ValidationError as error:
        raise BadSettings("; ".join(_complaint(item) for item in error.errors(include_input=False))) from None
    except SettingsError as error:
        field = str(error).partition('"')[2].partition('"')[0]
        raise BadSettings(f"{PREFIX}{field.upper()}: is not valid JSON") from None


def _complaint(item: Any) -> str:
    name = f"{PREFIX}{item['loc'][0]}".upper() if item["loc"] else ""
    reason = plain_terms(str(item["msg"]))
    return f"{name}: {reason}" if name else reason
