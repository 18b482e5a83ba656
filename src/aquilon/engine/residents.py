"""The models in memory: who is there, who may come, who leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Resident(Protocol):
    """What is known of a loaded model here."""

    name: str
    memory: int
    """Bytes."""
    used_at: float
    """When it last worked, on any clock."""

    @property
    def in_use(self) -> bool: ...


Model = TypeVar("Model", bound=Resident)


class Residents(Generic[Model]):
    """Models within a memory limit; the least recently used leaves for a new one, a model in use never does."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._leaving: set[str] = set()
        self._reserved: dict[str, int] = {}

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def get(self, name: str) -> Model | None:
        """A loaded model that takes requests."""
        return None if name in self._leaving else self._models.get(name)

    def add(self, model: Model) -> None:
        """Let a loaded model in, in place of what was reserved for it."""
        self._reserved.pop(model.name, None)
        self._models[model.name] = model

    def stay(self, name: str) -> Model | None:
        """A loaded model, which no longer has to leave."""
        self._leaving.discard(name)
        return self._models.get(name)

    def leave(self, name: str) -> bool:
        """Take no more requests for a model and let it go when it is idle; False where it isn't here."""
        if name not in self._models:
            return False
        self._leaving.add(name)
        return True

    def sweep(self) -> list[Model]:
        """Remove, and return, the models that were asked to leave and are idle."""
        gone = [self._models[name] for name in self._leaving if not self._models[name].in_use]
        for model in gone:
            self._remove(model)
        return gone

    def reserve(self, name: str, wanted: int, limit: int) -> tuple[int | None, list[Model]]:
        """Keep ``wanted`` bytes of ``limit`` for a model to come, once enough idle models have left.

        Returns the bytes that are free for it, or None where models in use must
        end first, and the models removed. With all others gone it gets what there is.
        """
        gone = []
        while (free := self._free(limit)) < wanted:
            idle = [model for model in self._models.values() if not model.in_use]
            if not idle:
                break
            gone.append(min(idle, key=lambda model: model.used_at))
            self._remove(gone[-1])
        if free < wanted and (self._models or self._reserved):
            return None, gone
        self._reserved[name] = wanted
        return free, gone

    def release(self, name: str) -> None:
        """Give up what was reserved for a model that will not come."""
        self._reserved.pop(name, None)

    def _free(self, limit: int) -> int:
        return limit - sum(self._reserved.values()) - sum(model.memory for model in self._models.values())

    def _remove(self, model: Model) -> None:
        del self._models[model.name]
        self._leaving.discard(model.name)
