"""Argon2id (RFC 9106), in threads of its own: at most two hashes at once, which bounds what they take of the memory."""

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
"""46 MiB, with twice the passes that OWASP's "Password Storage Cheat Sheet" asks for: about 0.09 s of one core."""

_THREADS = 2
_MOST_WAITING = 32

R = TypeVar("R")


class Passwords:
    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=ITERATIONS, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobodys = _hash_of_nobody()

    async def hash(self, password: str) -> str:
        """Raises ApiError 503 where too many wait already."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, hash_: str | None, password: str) -> bool:
        """None, for an account that isn't there or has no password, takes as long and is False.

        Raises ApiError 503 where too many wait already.
        """
        matches = await self._run(lambda: self._matches(hash_ or self._nobodys, password))
        return matches and hash_ is not None

    def is_outdated(self, hash_: str) -> bool:
        """Whether it was made with other parameters than today's: hash again at the next sign-in."""
        return self._hasher.check_needs_rehash(hash_)

    def _matches(self, hash_: str, password: str) -> bool:
        try:
            return self._hasher.verify(hash_, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], R]) -> R:
        if self._waiting >= _MOST_WAITING:
            raise overloaded("Too many people sign in at this moment: try again in a few seconds", retry_after=3)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _hash_of_nobody() -> str:
    """Costs as much to verify as a real one, and has no password."""
    salt, tag = (base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={MEMORY_KIB},t={ITERATIONS},p={LANES}${salt}${tag}"
