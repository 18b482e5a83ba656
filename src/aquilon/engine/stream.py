"""A queue of one request's outputs between the engine and the reader."""

from __future__ import annotations

import asyncio
from collections import deque

from aquilon.engine.protocol import SequenceOutput


class Unloaded(Exception):
    """The model left memory before the request reached the engine process."""


class Stream:
    """One request's outputs that have arrived and were not read yet."""

    def __init__(self, model: str, n: int) -> None:
        self.model = model
        self.open = False
        """Whether the engine still computes the request."""
        self.tokens_behind = 0
        self._unfinished = n
        self._outputs: deque[SequenceOutput] = deque()
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def put(self, output: SequenceOutput) -> None:
        if self._failure is not None:
            return
        self._outputs.append(output)
        self.tokens_behind += len(output.token_ids)
        if output.finish_reason is not None:
            self._unfinished -= 1
            if self._unfinished == 0:
                self.open = False
        self._wake()

    def fail(self, failure: Exception) -> None:
        self._failure = failure
        self.open = False
        self._wake()

    async def next(self) -> SequenceOutput | None:
        """The next output; None when all continuations have finished. Raises the failure once all outputs are read."""
        while not self._outputs:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._unfinished == 0:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        output = self._outputs.popleft()
        self.tokens_behind -= len(output.token_ids)
        return output

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
