"""`b2b user`: who may sign in."""

from tests.commands import Run


def test_people_are_added_listed_given_another_role_and_removed(run: Run) -> None:
    added = run("b2b user add jo@example.com --role viewer --json").json
    assert (added["email"], added["role"]) == ("jo@example.com", "viewer")
    assert added["link"].startswith("http://127.0.0.1:8000/welcome/")
    again = run("b2b user add JO@example.com --role manager --json").json
    assert (again["id"], again["role"]) == (added["id"], "manager")
    assert again["link"] != added["link"]
    [listed] = run("b2b user list --json").json
    assert (listed["role"], listed["signs_in_with"], listed["sessions"]) == ("manager", "nothing yet", 0)
    assert run("b2b user remove jo@example.com").out == "jo@example.com can no longer sign in.\n"
    assert run("b2b user list --json").json == []


def test_what_is_not_an_address_or_a_role_is_refused(run: Run) -> None:
    assert run("b2b user add not-an-address --role viewer").status == 1
    assert "is not a role" in run("b2b user add jo@example.com --role owner").err
    assert run("b2b user remove jo@example.com").status == 1
    assert run("b2b user list --json").json == []


def test_with_openid_connect_no_link_is_needed(run: Run, monkeypatch) -> None:
    monkeypatch.setenv("B2B_OIDC_ISSUER", "https://sso.example.com/realms/acme")
    assert "B2B_OIDC_CLIENT_ID" in run("b2b user list").err
    monkeypatch.setenv("B2B_OIDC_CLIENT_ID", "b2b")
    monkeypatch.setenv("B2B_OIDC_CLIENT_SECRET", "secret")
    assert (
        "signs in through https://sso.example.com/realms/acme" in run("b2b user add jo@example.com --role viewer").out
    )
