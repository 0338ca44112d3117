"""Headers of every answer, limits on every address: all routes of OpenAPI, and the pages."""

import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.api.app import create_app
from b2b_pipelines.api.client import network
from b2b_pipelines.api.hardening import link
from b2b_pipelines.privacy import masked_anywhere, masked_text
from b2b_pipelines.settings import Settings
from tests.api.conftest import Connect, serving
from tests.api.pages_world import furnish
from tests.shop import Shop

DOCUMENT = create_app(Settings()).openapi()
PAGES = ("/", "/contracts/{slug}", "/contracts/{slug}/compare", "/sign-in", "/docs", "/static/{name}")
PUBLIC_LIST = "/api/v1/academy-products/"
EVERY = [("get", path, []) for path in PAGES] + [
    (method, path, [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"])
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
UNUSABLE = {"nul": "a%00b", "half": "a%ED%A0%80b", "not-utf-8": "%FF%FE", "long": "x" * 10_000}
EVERYTHING = ("read", "emails", "attach", "checkout", "provisioning", "metrics")


def ask(client: httpx.Client, method: str, path: str) -> httpx.Response:
    body = {"json": {}} if method in ("post", "patch", "put") else {}
    url = str(client.base_url).removesuffix("/").removesuffix("/api/v1") + path
    return client.request(method, url, follow_redirects=False, **body)


@pytest.mark.parametrize(
    "unusable",
    [
        pytest.param(text, id=kind, marks=[] if kind in ("nul", "not-utf-8") else pytest.mark.long)
        for kind, text in UNUSABLE.items()
    ],
)
def test_no_text_in_a_path_or_a_query_is_an_error_of_ours(connect: Connect, shop: Shop, unusable: str):
    furnish(shop)
    client = connect(*EVERYTHING)
    asked = 0
    for method, path, queries in EVERY:
        filled = re.sub(r"\{[^}]*\}", unusable, path)
        usable = re.sub(r"\{[^}]*\}", "1", path)
        paths = [filled] if "{" in path else []
        for each in [*paths, *(f"{usable}?{name}={unusable}" for name in [*queries, "unknown", unusable])]:
            answer = ask(client, method, each)
            assert 400 <= answer.status_code < 500, (method, path, answer.status_code)
            asked += 1
    assert asked > 60


def test_no_answer_is_kept_sniffed_or_framed(connect: Connect, shop: Shop):
    sold = furnish(shop)
    client = connect(*EVERYTHING)
    values: dict[str, Any] = {
        "slug": sold.slug,
        "name": "pages.css",
        "snapshot_id": "1",
        "code": "c",
        "org_key": "ACME",
    }
    for method, path, _ in EVERY:
        filled = re.sub(r"\{([a-z_]+)[^}]*\}", lambda found: values.get(found[1], "x"), path)
        headers = ask(client, method, filled).headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"], path
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        if not path.startswith((PUBLIC_LIST, "/static")):
            assert headers["Cache-Control"] == "no-store", path
        assert "Strict-Transport-Security" not in headers


def test_behind_tls_browsers_are_told_to_stay_there_and_cookies_belong_to_this_host(api_url: str):
    over_tls = {"X-Forwarded-Proto": "https"}
    answer = httpx.get(f"{api_url}/sign-in", headers=over_tls)
    assert "max-age=" in answer.headers["Strict-Transport-Security"]
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-b2b_form=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert httpx.get(f"{api_url}/sign-in").headers["Set-Cookie"].startswith("b2b_form=")


def signed_in(api_url: str, token: str, cookies: dict[str, str], headers: dict[str, str]) -> str:
    """Sign in with the cookies of a browser; the new session's."""
    form = httpx.get(f"{api_url}/sign-in", headers=headers).headers["Set-Cookie"].partition(";")[0]
    name, _, secret = form.partition("=")
    jar = "; ".join(f"{key}={value}" for key, value in {**cookies, name: secret}.items())
    answer = httpx.post(f"{api_url}/sign-in", data={"token": token, "form": secret}, headers={**headers, "Cookie": jar})
    assert answer.status_code == 303, answer.text
    [session] = [each for each in answer.headers.get_list("Set-Cookie") if "b2b_session=" in each]
    return session.partition(";")[0]


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-Proto": "https"}], ids=["plain", "tls"])
def test_a_sign_in_ends_the_session_before_it(api_url: str, connect: Connect, shop: Shop, headers: dict[str, str]):
    token = connect("read").headers["Authorization"].removeprefix("Bearer ")
    first = signed_in(api_url, token, {}, headers)
    assert httpx.get(f"{api_url}/", headers={**headers, "Cookie": first}).status_code == 200
    name, _, secret = first.partition("=")
    second = signed_in(api_url, token, {name: secret}, headers)
    assert httpx.get(f"{api_url}/", headers={**headers, "Cookie": first}).status_code == 303
    assert httpx.get(f"{api_url}/", headers={**headers, "Cookie": second}).status_code == 200
    assert name.startswith("__Host-") == bool(headers)


def test_links_begin_with_the_public_url_and_never_with_what_a_client_sends(connect: Connect, shop: Shop):
    sold = shop.sell(cap=3)
    client = connect("read")
    path = f"/contracts/{sold.slug}/codes/?page_size=1"
    relative = client.get(path, headers={"Host": "evil.example"}).json()["next"]
    assert relative == f"/api/v1/contracts/{sold.slug}/codes/?page_size=1&page=2"
    app = create_app(Settings(public_url="https://b2b.example.com"), shop.database)
    with serving(app) as url:
        answer = httpx.get(f"{url}/api/v1{path}", headers={**client.headers, "Host": "evil.example"})
        assert answer.json()["next"] == f"https://b2b.example.com{relative}"
        assert "Strict-Transport-Security" in answer.headers
        page = httpx.get(f"{url}/", headers={"Host": "evil.example"})
        assert page.headers["Location"].startswith("/sign-in?")
    assert link(None, "/a", "") == "/a"


def test_a_client_is_a_whole_network_of_ipv6():
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert network("2001:db8:1:3::9") != network("2001:db8:1:2::9")
    assert network("fe80::1%eth0") == network("fe80::2%eth1")
    assert network("203.0.113.7") == "203.0.113.7"
    assert network("::ffff:203.0.113.7") in ("203.0.113.7", "::ffff:203.0.113.7")
    assert network("") == ""


LOCAL = st.text("abcxyz0189._+-", min_size=1, max_size=20)


@given(LOCAL, st.sampled_from(["example.com", "mail.example.org"]), st.text(" ,;\"'()<>\n", min_size=1), st.booleans())
def test_no_address_in_a_text_is_shown(local: str, domain: str, around: str, encoded: bool):
    at = "%40" if encoded else "@"
    text = masked_text(f"x{around}{local}{at}{domain}{around}y")
    assert f"{local}{at}{domain}" not in text
    assert f"{local[0]}•••@{domain}" in text


def test_addresses_are_masked_wherever_a_customer_typed_them(connect: Connect, shop: Shop):
    sold = furnish(shop)
    (snapshot,) = shop.run("SELECT max(id) FROM sheet_snapshot")
    shop.run(
        """UPDATE sheet_snapshot SET
           rows = jsonb_set(rows::jsonb, '{0,2,1}', '"ask jane.doe@example.com"'),
           conflicts = '[{"kind": "unknown_code", "row": 9, "code": "jane.doe@example.com"}]'
           WHERE id = :snapshot""",
        snapshot=snapshot,
    )
    shop.run("UPDATE contract SET sheet_url = sheet_url || '?authuser=jane.doe@example.com'")
    client = connect("read")
    for path in (f"/contracts/{sold.slug}/", "/contracts/", f"/contracts/{sold.slug}/sheet-snapshots/{snapshot}/"):
        text = client.get(path).text
        assert "j•••@example.com" in text, path
        assert "jane.doe" not in text, path
        assert "jane.doe@example.com" in connect("emails").get(path).text
    assert masked_anywhere({"a": ["b@example.com", 7, None]}) == {"a": ["b•••@example.com", 7, None]}
    assert quote("@") == "%40"
