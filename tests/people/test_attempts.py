from __future__ import annotations

from aquilon.people.attempts import Attempts


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_failure_past_the_limit_doubles_the_wait_up_to_a_maximum() -> None:
    clock = Clock()
    attempts = Attempts(3, seconds=30, max_seconds=100, clock=clock)
    waits = []
    for _ in range(6):
        waits.append(attempts.wait("a"))
        clock.now += attempts.wait("a")
        assert attempts.wait("a") == 0
        attempts.record_failure("a")
    assert waits == [0, 0, 0, 30, 60, 100]
    assert attempts.wait("b") == 0


def test_failures_are_forgotten_after_an_hour_without_one_or_the_right_password() -> None:
    clock = Clock()
    attempts = Attempts(1, forget_seconds=3600, clock=clock)
    attempts.record_failure("a")
    attempts.record_failure("a")
    clock.now += 3600
    attempts.record_failure("a")
    assert attempts.wait("a") == 30
    attempts.forget("a")
    assert attempts.wait("a") == 0


def test_simultaneous_attempts_count_as_failures_until_their_outcome_is_known() -> None:
    attempts = Attempts(2)
    attempts.record_failure("a")
    attempts.record_failure("a")
    assert attempts.wait("a") > 0
    attempts.undo_failure("a")
    assert attempts.wait("a") == 0


def test_memory_is_bounded() -> None:
    attempts = Attempts(1)
    for number in range(30_000):
        attempts.record_failure(str(number))
    assert attempts.wait("0") == 0
    assert attempts.wait("29999") > 0
    assert len(attempts._failures) <= 10_000
