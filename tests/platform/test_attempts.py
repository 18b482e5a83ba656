from __future__ import annotations

from aquilon.platform.auth.attempts import Attempts


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_limit_is_per_address_and_moves_with_time() -> None:
    clock = Clock()
    attempts = Attempts(limit=3, seconds=60, clock=clock)
    for _ in range(3):
        assert attempts.wait("a") == 0
        attempts.failed("a")
        clock.now += 10
    assert attempts.wait("a") == 30
    assert attempts.wait("b") == 0
    clock.now += 30
    assert attempts.wait("a") == 0
    attempts.failed("a")
    assert attempts.wait("a") == 10


def test_memory_is_bounded() -> None:
    attempts = Attempts(limit=1)
    for number in range(30_000):
        attempts.failed(str(number))
    assert attempts.wait("0") == 0
    assert attempts.wait("29999") > 0
    assert len(attempts._failures) <= 10_000
