"""Sliding window counters in Redis, for several API processes."""

from __future__ import annotations

from limits.aio.storage.redis import RedisStorage

_TIMEOUT_SECONDS = 0.5
_PREFIX = "aquilon"


class RedisWindows(RedisStorage):
    """The ``limits`` library's storage over redis-py. Times are Redis's: a key's time to live, no process's clock."""

    STORAGE_SCHEME = None  # type: ignore[assignment]

    def __init__(self, url: str) -> None:
        """``url`` is ``redis://HOST:PORT/NUMBER``, ``rediss://`` for TLS. Connects at first use."""
        super().__init__(
            url,
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix=_PREFIX,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
        )

    async def close(self) -> None:
        await self.bridge.storage.aclose()  # type: ignore[attr-defined]
