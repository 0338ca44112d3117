"""Dagster's daemon with other habits, for tests; sensors, schedules, backfills and runs are those of the product.

`--quick-backfills` looks at backfills every two seconds instead of every thirty, `--quick-sensors` looks every three
seconds where a sensor asks for ten or fifteen, `--no-sensors` evaluates none, and `--dies-after-adding` ends it by
SIGKILL once it has added partitions.
"""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._daemon import cli, controller, sensor


def look_at_backfills_every_two_seconds() -> None:
    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2


def let_sensors_wait_little() -> None:
    sensor.MIN_INTERVAL_LOOP_TIME = 1
    waits = sensor.is_under_min_interval

    def waits_a_little(state: Any, of: Any, *rest: Any) -> bool:
        slow = of.min_interval_seconds > 15  # is left so: each look costs half a second of a processor
        return waits(state, of, *rest) and (slow or (sensor.get_elapsed(state) or 0) < 3)

    sensor.is_under_min_interval = waits_a_little


def let_sensors_rest() -> None:
    sensor.is_under_min_interval = lambda *_, **__: True


def die_after_adding() -> None:
    add = dg.DagsterInstance.add_dynamic_partitions

    def add_and_die(instance: dg.DagsterInstance, name: str, keys: Sequence[str]) -> None:
        add(instance, name, keys)
        os.kill(os.getpid(), signal.SIGKILL)

    dg.DagsterInstance.add_dynamic_partitions = add_and_die


HABITS = {
    "--quick-backfills": look_at_backfills_every_two_seconds,
    "--quick-sensors": let_sensors_wait_little,
    "--no-sensors": let_sensors_rest,
    "--dies-after-adding": die_after_adding,
}

if __name__ == "__main__":
    for habit in HABITS.keys() & set(sys.argv):
        HABITS[habit]()
        sys.argv.remove(habit)
    cli.main()
