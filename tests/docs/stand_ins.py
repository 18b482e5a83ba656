"""What guides write of the world outside, and what stands there while the tests run them.

A guide for Azure names ``https://my-resource.openai.azure.com``; nothing of that name
is reached here. Add to ``STAND_INS`` the text as the guide writes it, and a context
manager that gives what to put in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from tests.support.databases import postgresql_programs, postgresql_server, redis_program, redis_server
from tests.support.openid_provider import openid_provider
from tests.support.upstream_stand_ins import azure, stand_in, vllm


@contextmanager
def _postgresql() -> Iterator[str]:
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL's server isn't installed: apt-get install postgresql")
    with postgresql_server(programs) as running:
        yield running.url


@contextmanager
def _redis() -> Iterator[str]:
    program = redis_program()
    if program is None:
        pytest.skip("Redis isn't installed: apt-get install redis-server")
    with redis_server(program) as url:
        yield url


@contextmanager
def _in_place(text: str) -> Iterator[str]:
    yield text


STAND_INS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "http://gpu-1.internal:8000": lambda: stand_in(vllm),
    "https://my-resource.openai.azure.com": lambda: stand_in(azure),
    "postgresql://aquilon:secret@db.example.org/aquilon": _postgresql,
    "redis://redis.example.org:6379/0": _redis,
    "https://login.example.org": lambda: openid_provider("https://example.org/auth/oidc/corp/callback"),
    "--depth 4 --minutes 6": lambda: _in_place("--depth 1 --steps 30 --batch-tokens 1024"),
    '"/*.py': lambda: _in_place('"/a*.py'),
    "--vocab-size 4096": lambda: _in_place("--vocab-size 512"),
}
