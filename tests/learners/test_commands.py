"""`b2b learner` and `b2b token`, as they are typed."""

import json

import pytest

from tests.commands import Run
from tests.shop import LONG_AGO, Shop


@pytest.fixture
def b2b(run: Run):
    """`b2b("learner", "attach", …)`: the exit status, and the JSON or what was printed."""

    def b2b(*arguments: str):
        ran = run("b2b", *arguments)
        return ran.status, ran.json if "--json" in arguments else ran.out + ran.err

    return b2b


def test_attaching_says_what_came_of_it(b2b, shop: Shop):
    sold = shop.sell(cap=1)
    attach = ("learner", "attach", sold.every_code[0], "jane@example.com", "--json")
    assert b2b(*attach) == (0, {"result": "attached", "contract": "acme-2026"})
    assert b2b(*attach) == (0, {"result": "already_attached", "contract": "acme-2026"})
    assert shop.redemptions(sold.slug) == [(sold.every_code[0], "attach", "jane@example.com")]


def test_a_refusal_is_one_line_and_has_its_code(b2b, shop: Shop):
    sold = shop.sell(cap=1)
    b2b("learner", "attach", sold.every_code[0], "jane@example.com")
    status, line = b2b("learner", "attach", sold.every_code[0], "john@example.com")
    assert (status, line.count("\n")) == (1, 1)
    assert sold.every_code[0] not in line
    status, answer = b2b("learner", "attach", "nothing", "john@example.com", "--json")
    assert (status, answer["error"]["code"]) == (1, "invalid_code")


def test_adding_by_hand_holds_to_the_cap_and_the_days_unless_forced(b2b, shop: Shop):
    sold = shop.sell(cap=1, end=LONG_AGO)
    add = ("learner", "add", sold.slug, "jane@example.com", "--json")
    assert b2b(*add)[1]["error"]["code"] == "contract_not_open"
    shop.change(sold.slug, ends_on=None)
    assert b2b(*add) == (0, {"result": "attached", "contract": sold.slug})
    assert b2b(*add)[1]["result"] == "already_attached"
    second = ("learner", "add", sold.slug, "john@example.com", "--json")
    assert b2b(*second)[1]["error"]["code"] == "contract_full"
    assert b2b(*second, "--force") == (0, {"result": "attached", "contract": sold.slug})
    assert shop.attached(sold.slug) == [("jane@example.com", "manual"), ("john@example.com", "manual")]


def test_a_removed_learner_leaves_a_seat_with_a_new_code(b2b, shop: Shop):
    sold = shop.sell(cap=2)
    b2b("learner", "attach", sold.every_code[0], "jane@example.com")
    assert b2b("learner", "remove", sold.slug, "JANE@example.com", "--json")[0] == 0
    assert shop.attached(sold.slug) == []
    assert len(shop.sold(sold.slug).every_code) == 3
    assert b2b("learner", "remove", sold.slug, "jane@example.com", "--json")[1]["error"]["code"] == "not_found"
    assert b2b("codes", "validate", "--json")[0] == 0


def test_a_malformed_address_is_refused_without_being_quoted(b2b, shop: Shop):
    sold = shop.sell(cap=1)
    status, line = b2b("learner", "add", sold.slug, "somebody-without-at")
    assert status == 1
    assert "somebody" not in line


def test_a_token_is_printed_once_and_can_be_revoked(b2b, shop: Shop):
    shop.sell()
    status, made = b2b("token", "create", "--name", "shop", "--organization", "ACME", "--scope", "attach", "--json")
    assert status == 0
    assert (made["name"], made["organization"], made["scopes"]) == ("shop", "ACME", ["attach"])
    assert made["token"].startswith("b2b_")
    status, listed = b2b("token", "list", "--json")
    assert [token["id"] for token in listed] == [made["id"]]
    assert made["token"] not in json.dumps(listed)
    assert b2b("token", "revoke", str(made["id"]), "--json")[1]["revoked_at"] is not None
    assert b2b("token", "revoke", "99", "--json") == (
        1,
        {"error": {"code": "not_found", "message": "no token 99: `b2b token list` lists the tokens"}},
    )


def test_without_a_scope_a_token_may_read(b2b):
    assert b2b("token", "create", "--name", "dashboard", "--json")[1]["scopes"] == ["read"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--scope", "everything"), "invalid_input"),
        (("--organization", "NOBODY"), "not_found"),
        pytest.param(("--name", "x" * 256), "invalid_input", id="long-name"),
    ],
)
def test_a_token_for_nothing_there_is_is_refused(b2b, options: tuple[str, str], code: str):
    status, answer = b2b("token", "create", "--name", "x", *options, "--json")
    assert (status, answer["error"]["code"]) == (1, code)


def test_courses_and_programs_are_registered_by_command(b2b, shop: Shop, tmp_path):
    assert b2b("course", "add", "course-v1:A+1", "One", "--run", "X", "--source-run", "SOURCE", "--json")[1] == {
        "courses": {"created": 1, "updated": 0, "unchanged": 0},
        "runs": {"created": 2, "updated": 0, "unchanged": 0},
        "programs": {"created": 0, "updated": 0, "unchanged": 0},
    }
    tree = tmp_path / "tree.json"
    tree.write_text('{"all_of":\n ["course-v1:A+1",\n  "course-v1:A+2"]}')
    status, answer = b2b("program", "add", "program-v1:A+P", "P", "--requires", str(tree), "--json")
    assert status == 1
    assert answer["error"]["message"].startswith("line 3: ")
    assert b2b("program", "add", "program-v1:A+P", "P", "--course", "course-v1:A+1", "--json")[0] == 0
    assert b2b("program", "add", "program-v1:A+P", "P", "--json")[0] == 2
    file = tmp_path / "courseware.json"
    file.write_text('{"courses": [{"readable_id": "course-v1:A+3", "title": "Three"}]}')
    assert b2b("courseware", "import", str(file), "--json")[1]["courses"]["created"] == 1


def test_a_contract_is_exported_to_a_file_and_rehearsed(b2b, shop: Shop, tmp_path):
    sold = shop.sell(cap=2)
    file = tmp_path / "contract.json"
    assert b2b("contract", "export", sold.slug, "--output", str(file))[0] == 0
    assert json.loads(file.read_text()) == b2b("contract", "export", sold.slug, "--json")[1]
    status, answer = b2b("contract", "import", str(file), "--json")
    assert (status, answer["error"]["code"]) == (1, "conflict")
    file.write_text(file.read_text().replace('"acme-2026"', '"acme-copy"'))
    status, answer = b2b("contract", "import", str(file), "--dry-run", "--json")
    assert (status, answer["slug"], answer["codes"], answer["dry_run"]) == (0, "acme-copy", 2, True)
    assert shop.run("SELECT count(*) FROM contract") == [1]
    assert b2b("contract", "import", str(file), "--json")[1]["codes"] == 2
