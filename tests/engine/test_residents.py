"""Which models stay in memory."""

from __future__ import annotations

from dataclasses import dataclass

from aquilon.engine.residents import Residents


@dataclass
class Model:
    name: str
    memory: int
    used_at: float
    in_use: bool = False


def residents(*models: Model) -> Residents[Model]:
    found: Residents[Model] = Residents()
    for model in models:
        found.add(model)
    return found


def names(found: Residents[Model]) -> list[str]:
    return [model.name for model in found]


def test_nobody_leaves_while_there_is_room() -> None:
    found = residents(Model("a", 40, 1))
    assert found.reserve("b", 60, limit=100) == (60, [])


def test_the_least_recently_used_leaves_first_and_no_more_than_needed() -> None:
    found = residents(Model("old", 30, 1), Model("older", 30, 0), Model("new", 30, 2))
    free, gone = found.reserve("next", 40, limit=100)
    assert free == 40
    assert [model.name for model in gone] == ["older"]
    assert names(found) == ["old", "new"]


def test_a_model_in_use_never_leaves_and_the_new_one_waits() -> None:
    found = residents(Model("busy", 80, 0, in_use=True), Model("idle", 10, 1))
    free, gone = found.reserve("next", 40, limit=100)
    assert free is None
    assert [model.name for model in gone] == ["idle"]
    assert names(found) == ["busy"]


def test_what_is_reserved_is_not_given_twice() -> None:
    found = residents()
    assert found.reserve("a", 60, limit=100) == (100, [])
    assert found.reserve("b", 60, limit=100) == (None, [])
    found.release("a")
    assert found.reserve("b", 60, limit=100) == (100, [])


def test_a_model_larger_than_the_limit_gets_all_there_is_once_alone() -> None:
    found = residents(Model("a", 10, 0))
    free, gone = found.reserve("huge", 500, limit=100)
    assert free == 100
    assert [model.name for model in gone] == ["a"]


def test_a_model_asked_to_leave_takes_no_requests_and_goes_when_it_is_idle() -> None:
    busy = Model("a", 10, 0, in_use=True)
    found = residents(busy)
    assert found.leave("a")
    assert found.get("a") is None
    assert found.sweep() == []
    busy.in_use = False
    assert found.sweep() == [busy]
    assert not found.leave("a")


def test_a_model_asked_to_leave_stays_when_it_is_wanted_again() -> None:
    model = Model("a", 10, 0, in_use=True)
    found = residents(model)
    found.leave("a")
    assert found.stay("a") is model
    assert found.get("a") is model
    model.in_use = False
    assert found.sweep() == []
