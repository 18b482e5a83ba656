from __future__ import annotations

from aquilon.people.attempts import Attempts


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_failure_past_the_limit_waits_twice_as_long_to_a_bound() -> None:
    clock = Clock()
    attempts = Attempts(3, seconds=30, most_seconds=100, clock=clock)
    waits = []
    for _ in range(6):
        waits.append(attempts.wait("a"))
        clock.now += attempts.wait("a")
        assert attempts.wait("a") == 0
        attempts.failed("a")
    assert waits == [0, 0, 0, 30, 60, 100]
    assert attempts.wait("b") == 0


def test_failures_are_forgotten_after_a_quiet_while_or_the_right_password() -> None:
    clock = Clock()
    attempts = Attempts(1, forget_seconds=3600, clock=clock)
    attempts.failed("a")
    attempts.failed("a")
    clock.now += 3600
    attempts.failed("a")
    assert attempts.wait("a") == 30
    attempts.forget("a")
    assert attempts.wait("a") == 0


def test_many_tries_at_the_same_moment_count_before_their_outcome_is_known() -> None:
    attempts = Attempts(2)
    attempts.failed("a")
    attempts.failed("a")
    assert attempts.wait("a") > 0
    attempts.did_not_fail("a")
    assert attempts.wait("a") == 0


def test_memory_is_bounded() -> None:
    attempts = Attempts(1)
    for number in range(30_000):
        attempts.failed(str(number))
    assert attempts.wait("0") == 0
    assert attempts.wait("29999") > 0
    assert len(attempts._failures) <= 10_000
