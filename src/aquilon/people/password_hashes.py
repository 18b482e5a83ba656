"""Argon2id (RFC 9106), in separate threads: at most two hashes run at once, which bounds their memory."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from aquilon.errors import overloaded

MEMORY_KIB = 47_104
ITERATIONS = 2
LANES = 1
"""46 MiB and twice the passes that OWASP's "Password Storage Cheat Sheet" asks for: about 0.09 s of one core."""

_THREADS = 2
_MAX_WAITING = 32

R = TypeVar("R")


class Passwords:
    def __init__(self, memory_kib: int = MEMORY_KIB) -> None:
        self._hasher = PasswordHasher(time_cost=ITERATIONS, memory_cost=memory_kib, parallelism=LANES)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        self._dummy_hash = _dummy_hash(memory_kib)

    async def hash(self, password: str) -> str:
        """Raises ApiError 503 if too many callers wait already."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, hash_: str | None, password: str) -> bool:
        """Whether the password matches. None, for a missing account or password, takes as long and is False.

        Raises ApiError 503 if too many callers wait already.
        """
        matches = await self._run(lambda: self._matches(hash_ or self._dummy_hash, password))
        return matches and hash_ is not None

    def is_outdated(self, hash_: str) -> bool:
        """Whether the hash has other parameters than today's; then the next sign-in should hash the password again."""
        return self._hasher.check_needs_rehash(hash_)

    def _matches(self, hash_: str, password: str) -> bool:
        try:
            return self._hasher.verify(hash_, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], R]) -> R:
        if self._waiting >= _MAX_WAITING:
            raise overloaded("Too many people sign in at this moment: try again in a few seconds", retry_after=3)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _dummy_hash(memory_kib: int) -> str:
    """A hash that costs as much to verify as a real one and matches no password."""
    salt, tag = (base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={memory_kib},t={ITERATIONS},p={LANES}${salt}${tag}"
