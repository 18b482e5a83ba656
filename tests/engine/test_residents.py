"""Models within a memory limit: which stay and which are removed."""

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
    loaded: Residents[Model] = Residents()
    for model in models:
        loaded.add(model)
    return loaded


def names(models: Residents[Model]) -> list[str]:
    return [model.name for model in models]


def test_no_model_is_removed_while_there_is_room() -> None:
    models = residents(Model("a", 40, 1))
    assert models.reserve("b", 60, limit=100) == (60, [])


def test_the_least_recently_used_models_are_removed_until_the_new_one_fits() -> None:
    models = residents(Model("old", 30, 1), Model("older", 30, 0), Model("new", 30, 2))
    free, removed = models.reserve("next", 40, limit=100)
    assert free == 40
    assert [model.name for model in removed] == ["older"]
    assert names(models) == ["old", "new"]


def test_a_model_in_use_is_never_removed_and_the_new_one_waits() -> None:
    models = residents(Model("busy", 80, 0, in_use=True), Model("idle", 10, 1))
    free, removed = models.reserve("next", 40, limit=100)
    assert free is None
    assert [model.name for model in removed] == ["idle"]
    assert names(models) == ["busy"]


def test_reserved_memory_is_not_given_twice() -> None:
    models = residents()
    assert models.reserve("a", 60, limit=100) == (100, [])
    assert models.reserve("b", 60, limit=100) == (None, [])
    models.release("a")
    assert models.reserve("b", 60, limit=100) == (100, [])


def test_a_model_larger_than_the_limit_gets_all_free_memory_once_it_is_alone() -> None:
    models = residents(Model("a", 10, 0))
    free, removed = models.reserve("huge", 500, limit=100)
    assert free == 100
    assert [model.name for model in removed] == ["a"]


def test_a_leaving_model_takes_no_requests_and_is_removed_when_it_is_idle() -> None:
    busy = Model("a", 10, 0, in_use=True)
    models = residents(busy)
    assert models.leave("a")
    assert models.get("a") is None
    assert models.pop_leaving() == []
    busy.in_use = False
    assert models.pop_leaving() == [busy]
    assert not models.leave("a")


def test_a_leaving_model_stays_when_it_is_loaded_again() -> None:
    model = Model("a", 10, 0, in_use=True)
    models = residents(model)
    models.leave("a")
    assert models.stay("a") is model
    assert models.get("a") is model
    model.in_use = False
    assert models.pop_leaving() == []
