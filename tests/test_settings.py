"""Valid settings in the environment, and the errors for invalid ones."""

import pytest

from b2b_pipelines.settings import BadSettings, read_settings

NOT_A_DATABASE = "is not a database URL, such as postgresql+psycopg2://user:password@host/name"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("B2B_ACADEMY_CATALOG_QUERY_IDS", '{"Data": true}', "must map to whole numbers, never to a boolean"),
        ("B2B_ACADEMY_CATALOG_QUERY_IDS", '{"Data": 9223372036854775808}', "must be at most"),
        ("B2B_INTENT_RESERVATION_MINUTES", "99999999999999", "must be at most"),
        ("B2B_INTENT_STALLED_AFTER", "99999999999999", "must be at most"),
        ("B2B_UNLINK_AFTER_DAYS", "99999999999999", "must be at most"),
        ("B2B_GSHEETS_UPDATE_FREQUENCY", "99999999999999", "must be at most"),
        ("B2B_LMS_TIMEOUT_SECONDS", "inf", "must be at most"),
        ("B2B_LMS_TIMEOUT_SECONDS", "nan", "must be at most"),
        ("B2B_STUDIO_URL", "http://", "must name a host, such as https://example.com"),
        ("B2B_STUDIO_URL", "http://:80", "must name a host, such as https://example.com"),
        ("B2B_STUDIO_URL", "http://studio:p0rt", "must name a host, such as https://example.com"),
        ("B2B_CURRENCY", "dollars", "must be the three letters of a currency, such as usd"),
        ("B2B_DATABASE_URL", "postgresql://u:secret@h:p0rt/x", NOT_A_DATABASE),
        ("B2B_DATABASE_URL", "postgresql://u:se kret", NOT_A_DATABASE),
        ("B2B_TRUSTED_PROXIES", "10.0.0.0/99", "must be addresses or CIDR blocks, such as 10.0.0.0/8"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_the_setting_and_not_the_value(
    monkeypatch, name, value, complaint
):
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as refusal:
        read_settings()
    said = refusal.value.message
    assert said.startswith(f"{name}: ")
    assert complaint in said
    assert not any(part in said for part in ("p0rt", "secret", "kret", "dollars", "10.0.0.0/99"))


def test_what_is_at_the_bounds_is_taken(monkeypatch):
    monkeypatch.setenv("B2B_ACADEMY_CATALOG_QUERY_IDS", '{"Data": 9223372036854775807, "Design": "7"}')
    monkeypatch.setenv("B2B_CURRENCY", "EUR")
    monkeypatch.setenv("B2B_STUDIO_URL", "https://[::1]:8001/studio/")
    settings = read_settings()
    assert settings.academy_catalog_query_ids == {"Data": 2**63 - 1, "Design": 7}
    assert (settings.currency, settings.studio_url) == ("eur", "https://[::1]:8001/studio")
