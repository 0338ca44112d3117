"""The sandbox as a process: in the foreground, stopped by a signal, and with a memory."""

import json
import signal
import subprocess
import sys

import httpx
import pytest

from sandbox.commands import speaking
from sandbox.server import Sandbox
from tests.waiting import wait_until

# A background job of a shell starts with SIGINT ignored: the sandbox must stop all the same.
FOREGROUND = """
import signal, sys
from pathlib import Path
from sandbox.server import Sandbox
signal.signal(signal.SIGINT, signal.SIG_IGN)
Sandbox(state_file=Path(sys.argv[1])).serve("127.0.0.1", 0, lambda sandbox: print(sandbox.url, flush=True))
print("stopped", flush=True)
"""


@pytest.fixture
def foreground(tmp_path):
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", FOREGROUND, str(tmp_path / "deep" / "state.json")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_it_holds_outlives_the_process(foreground, how):
    process, url = foreground()
    api = f"{url}/sandbox/api"
    made = httpx.post(f"{api}/spreadsheets", json={"title": "Kept", "tabs": {"Main": [["a", "=A1"]]}}).json()
    key = httpx.post(f"{api}/service-accounts", json={"email": "robot@example.com"}).json()
    process.send_signal(how)
    out, err = process.communicate(timeout=10)
    assert (out.strip(), err, process.returncode) == ("stopped", "", 0)

    _, url = foreground()
    assert [item["id"] for item in httpx.get(f"{url}/sandbox/api/spreadsheets").json()] == [made["id"]]
    shown = httpx.get(f"{url}/sandbox/api/spreadsheets/{made['id']}/tabs/0").json()["rows"]
    assert shown == [["a", {"shown": "a", "entered": "=A1", "number": False}]]
    httpx.post(f"{url}/sandbox/api/service-accounts", json={"email": "robot@example.com"})
    assert signs_in(url, key)


@pytest.mark.long
def test_the_command_prints_settings_for_every_vendor_that_the_product_takes(tmp_path):
    command = [sys.executable, "-c", "from b2b_pipelines.cli.main import run; run()", "sandbox", "--port", "0"]
    environment = {"PATH": "/usr/bin:/bin", "B2B_HOME": str(tmp_path / "a home")}
    with subprocess.Popen([*command, "--json"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        document = "".join(iter(process.stdout.readline, "}\n")) + "}"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=10)[0] == ""
    pasted = "\n".join([*speaking.exports(json.loads(document)["settings"]), f"{sys.executable} -c '{READ_SETTINGS}'"])
    taken = json.loads(subprocess.run(["sh", "-ec", pasted], env={}, capture_output=True, check=True).stdout)
    assert taken == {"paths": ["/studio", "/lms", "/license-manager", "/enterprise-catalog", "/stripe"], "off": []}


READ_SETTINGS = """
import json
from b2b_pipelines.settings import read_settings
s = read_settings()
urls = [s.studio_url, s.lms_url, s.license_manager_url, s.enterprise_catalog_url, s.stripe_api_url]
rest = ["google_service_account_file", "oauth_client_id", "oauth_client_secret", "stripe_api_key", "stripe_webhook_secret"]
print(json.dumps({"paths": ["/" + url.rpartition("/")[2] for url in urls], "off": [n for n in rest if not getattr(s, n)]}))
"""


def signs_in(url, key):
    from google.oauth2 import service_account

    signer = service_account.Credentials.from_service_account_info(key, scopes=["a"])
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assertion = signer._make_authorization_grant_assertion().decode()
    return httpx.post(f"{url}/token", data={"grant_type": grant, "assertion": assertion}).status_code == 200


def test_the_state_file_is_written_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("sandbox.server.SAVED_EVERY", 0.05)
    state = tmp_path / "state.json"
    sandbox = Sandbox(state_file=state).start()
    try:
        made = sandbox.google.create_spreadsheet("Soon on disk")
        wait_until(lambda: state.exists() and made in state.read_text())
        assert [item["title"] for item in json.loads(state.read_text())["google"]["spreadsheets"]] == ["Soon on disk"]
    finally:
        sandbox.stop()
    assert list(tmp_path.iterdir()) == [state]


def test_a_port_that_is_taken_is_an_error(sandbox):
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="Address already in use"):
        Sandbox().start(port=port)


def test_it_can_be_stopped_twice_and_started_again():
    sandbox = Sandbox()
    sandbox.stop()
    first = sandbox.start().url
    made = sandbox.google.create_spreadsheet("Codes")
    sandbox.stop()
    sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(first)
    with sandbox:
        listed = httpx.get(f"{sandbox.url}/sandbox/api/spreadsheets").json()
    assert [item["id"] for item in listed] == [made]


def test_each_sandbox_is_a_world_of_its_own(sandbox):
    with Sandbox() as other:
        other.google.create_spreadsheet("Elsewhere")
        assert sandbox.google.spreadsheets() == []
        assert httpx.get(f"{sandbox.url}/sandbox/api/spreadsheets").json() == []
