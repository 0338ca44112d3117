"""The pacing of our own requests."""

import threading

from b2b_pipelines.vendors.http.throttle import Rate, Throttle


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_no_span_of_time_sees_more_requests_than_a_rate_allows() -> None:
    clock = Clock()
    throttle = Throttle([Rate(18, 1.0), Rate(360, 60.0)], clock=clock, sleep=clock.sleep)
    starts = []
    for _ in range(1_000):
        throttle.wait()
        starts.append(clock.now)
    assert all(later - earlier >= 1.0 for earlier, later in zip(starts, starts[18:], strict=False))
    assert all(later - earlier >= 60.0 for earlier, later in zip(starts, starts[360:], strict=False))
    assert starts[17] == 0 and starts[359] == 19.0, "it waited although nothing was due"


def test_threads_share_one_rate() -> None:
    throttle = Throttle([Rate(5, 60.0)], sleep=lambda seconds: waited.append(seconds) or started.wait(5))
    waited: list[float] = []
    started = threading.Event()
    threads = [threading.Thread(target=throttle.wait, daemon=True) for _ in range(8)]
    for thread in threads[:5]:
        thread.start()
    for thread in threads[:5]:
        thread.join(5)
    assert not waited
    threads[5].start()
    threads[5].join(0.2)
    assert threads[5].is_alive() and 50 < waited[0] <= 60


def test_without_rates_nothing_waits() -> None:
    throttle = Throttle(sleep=lambda seconds: 1 / 0)
    for _ in range(1_000):
        throttle.wait()
