"""Every measurement of `make bench` can be imported: a renamed function would end it otherwise, an hour later."""

from importlib import import_module

import pytest

from benchmarks.__main__ import MEASUREMENTS


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_can_be_imported(name: str) -> None:
    assert callable(import_module(f"benchmarks.{name}").main)
