"""Where the sheet opens that a contract names."""

import pytest

from b2b_pipelines.sheets.links import link

ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"


@pytest.mark.parametrize(
    ("said", "host"),
    [
        pytest.param(ID, "https://docs.google.com", id="a-bare-id-is-googles"),
        pytest.param(
            f"https://docs.google.com/spreadsheets/u/1/d/{ID}/edit#gid=7", "https://docs.google.com", id="google"
        ),
        pytest.param(
            f"https://spreadsheets.google.com/ccc?key={ID}", "https://docs.google.com", id="an-address-of-old"
        ),
        pytest.param(f"http://127.0.0.1:8790/spreadsheets/d/{ID}/edit", "http://127.0.0.1:8790", id="a-stand-in"),
    ],
)
def test_a_sheet_opens_at_the_host_that_the_contract_names(said: str, host: str) -> None:
    assert link(said) == f"{host}/spreadsheets/d/{ID}/edit"
