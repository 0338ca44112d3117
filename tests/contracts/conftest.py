"""Contracts on a real database, and Studio on loopback."""

from collections.abc import Iterator

import pytest

from b2b_pipelines.vendors.http.client import Patience
from b2b_pipelines.vendors.open_edx import ClientCredentials
from b2b_pipelines.vendors.studio import Studio
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.server import Sandbox

QUICK = Patience(attempts=4, total_wait=2, first_wait=0.01)


@pytest.fixture
def studio(sandbox: Sandbox) -> Iterator[Studio]:
    """A client that is signed in, and does not wait long between its attempts."""
    credentials = ClientCredentials(sandbox.lms.url, CLIENT_ID, CLIENT_SECRET, timeout=10, patience=QUICK)
    with Studio(sandbox.studio.url, credentials, timeout=10, patience=QUICK) as client:
        yield client
    credentials.close()
