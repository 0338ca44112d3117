"""A pace for tests that are about something else."""


class NoPace:
    """Lets everybody go at once."""

    def wait(self, kind: str) -> float:
        return 0.0

    def take(self, kind: str, patience: float) -> bool:
        return True

    def pause(self, kind: str, seconds: float) -> None:
        pass

    def pause_until_minute_ends(self, kind: str) -> None:
        pass
