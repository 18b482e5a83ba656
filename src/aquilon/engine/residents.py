"""The models in memory: which are loaded, which fit beside them, which are removed for others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Resident(Protocol):
    """What this file needs to know of a loaded model."""

    name: str
    memory: int
    """Bytes."""
    used_at: float
    """When it last computed something, on any clock."""

    @property
    def in_use(self) -> bool: ...


Model = TypeVar("Model", bound=Resident)


class Residents(Generic[Model]):
    """Models within a memory limit. The least recently used idle model is removed for a new one."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._leaving: set[str] = set()
        self._reserved: dict[str, int] = {}

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def get(self, name: str) -> Model | None:
        """A loaded model, unless it is about to leave; None for any other."""
        return None if name in self._leaving else self._models.get(name)

    def add(self, model: Model) -> None:
        """Add a loaded model; it takes the place of the memory reserved for it."""
        self._reserved.pop(model.name, None)
        self._models[model.name] = model

    def stay(self, name: str) -> Model | None:
        """Keep a loaded model that was about to leave, and return it; None where it is not loaded."""
        self._leaving.discard(name)
        return self._models.get(name)

    def leave(self, name: str) -> bool:
        """Mark a model to be removed once it is idle; False where it is not loaded."""
        if name not in self._models:
            return False
        self._leaving.add(name)
        return True

    def pop_leaving(self) -> list[Model]:
        """Remove and return the models that are marked to leave and are idle."""
        removed = [self._models[name] for name in self._leaving if not self._models[name].in_use]
        for model in removed:
            self._remove(model)
        return removed

    def reserve(self, name: str, wanted: int, limit: int) -> tuple[int | None, list[Model]]:
        """Reserve ``wanted`` bytes of ``limit`` for a new model, removing idle models where needed.

        Returns the bytes that are free for it and the models removed. The bytes are
        None where it must wait for models in use; a model that needs more than the
        limit gets what is free once it is alone.
        """
        removed = []
        while (free := self._free(limit)) < wanted:
            idle = [model for model in self._models.values() if not model.in_use]
            if not idle:
                break
            removed.append(min(idle, key=lambda model: model.used_at))
            self._remove(removed[-1])
        if free < wanted and (self._models or self._reserved):
            return None, removed
        self._reserved[name] = wanted
        return free, removed

    def release(self, name: str) -> None:
        """Give up the memory reserved for a model whose load failed."""
        self._reserved.pop(name, None)

    def _free(self, limit: int) -> int:
        return limit - sum(self._reserved.values()) - sum(model.memory for model in self._models.values())

    def _remove(self, model: Model) -> None:
        del self._models[model.name]
        self._leaving.discard(model.name)
