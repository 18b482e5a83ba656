"""Requests and tokens a minute: in this process, and in a real Redis for several."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.databases import redis_program, redis_server

from aquilon.errors import ApiError
from aquilon.money.limits import WINDOW_SECONDS, Limit, Window, quotas
from aquilon.money.memory_windows import MemoryWindows
from aquilon.money.rates import Rates, duration
from aquilon.money.redis_windows import RedisWindows

PER_MINUTE = 60


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limit(requests: int | None = None, tokens: int | None = None, *, model: str = "", id_: str = "limit_1") -> Limit:
    return Limit(
        id=id_,
        subject_kind="key",
        subject_id="key_1",
        model=model,
        requests_per_minute=requests,
        tokens_per_minute=tokens,
        parallel_requests=None,
    )


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    program = redis_program()
    if program is None:
        pytest.skip("Redis isn't installed: apt-get install redis-server")
    with redis_server(program) as url:
        yield url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisWindows]:
    windows = RedisWindows(redis_url)
    async with asyncio.timeout(5):
        while not await windows.check():  # noqa: ASYNC110 - nobody tells when it has started
            await asyncio.sleep(0.01)
    await windows.reset()
    yield windows
    await windows.close()


@pytest.fixture(params=["memory", "redis"])
def rates(request: pytest.FixtureRequest) -> Rates:
    return Rates(request.getfixturevalue("redis") if request.param == "redis" else None)


async def admit(rates: Rates, *limits: Limit, tokens: int = 1) -> dict[str, str]:
    headers: dict[str, str] = {}
    await rates.admit(quotas(limits), tokens, headers)
    return headers


async def test_an_answer_says_what_remains_of_requests_and_tokens(rates: Rates) -> None:
    headers = await admit(rates, limit(3, 100), tokens=40)
    assert headers == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": headers["x-ratelimit-reset-requests"],
        "x-ratelimit-limit-tokens": "100",
        "x-ratelimit-remaining-tokens": "60",
        "x-ratelimit-reset-tokens": headers["x-ratelimit-reset-tokens"],
    }
    assert headers["x-ratelimit-reset-requests"][:2] in ("1m", "2m")
    assert await admit(rates) == {}


async def test_a_request_over_a_rate_is_refused_and_not_counted(rates: Rates) -> None:
    for _ in range(3):
        await admit(rates, limit(3, 100), tokens=10)
    with pytest.raises(ApiError, match="The key's limit is 3 requests a minute; 0 remain: try again in") as refused:
        await admit(rates, limit(3, 100), tokens=10)
    error = refused.value
    assert (error.status, error.type, error.code) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert error.retry_after is not None
    assert 1 <= error.retry_after <= 2 * WINDOW_SECONDS
    assert error.headers["x-aquilon-limit"] == "key:limit_1"
    headers = await admit(rates, limit(None, 100), tokens=70)
    assert headers["x-ratelimit-remaining-tokens"] == "0"


async def test_a_limit_for_one_model_applies_beside_the_key_s_limit(rates: Rates) -> None:
    every_model, one_model = limit(10, id_="limit_all"), limit(1, model="m", id_="limit_m")
    headers = await admit(rates, every_model, one_model)
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("1", "0")
    with pytest.raises(ApiError, match="The key's limit for the model 'm' is 1 requests a minute"):
        await admit(rates, every_model, one_model)
    assert (await admit(rates, every_model))["x-ratelimit-remaining-requests"] == "8"


async def test_completion_tokens_count_when_they_are_settled_and_cached_ones_do_not(rates: Rates) -> None:
    await admit(rates, limit(None, 1000), tokens=500)
    rates.count(quotas([limit(None, 1000)]), 300 - 400)  # of the prompt 400 were cached; 300 came
    await settled(rates)
    assert (await admit(rates, limit(None, 1000), tokens=0))["x-ratelimit-remaining-tokens"] == "600"
    rates.count(quotas([limit(None, 1000)]), 5000)
    await settled(rates)
    with pytest.raises(ApiError, match="0 remain, and this request needs 1: try again in"):
        await admit(rates, limit(None, 1000), tokens=1)


async def settled(rates: Rates) -> None:
    await asyncio.gather(*rates._counting)


async def test_a_request_larger_than_a_minute_s_limit_says_not_to_retry(rates: Rates) -> None:
    with pytest.raises(ApiError, match="this request needs 101, more than a whole minute's") as refused:
        await admit(rates, limit(None, 100), tokens=101)
    assert refused.value.retry_after is None
    assert refused.value.headers["x-should-retry"] == "false"


async def test_concurrent_requests_get_exactly_the_limit(rates: Rates) -> None:
    outcomes = await asyncio.gather(*(admit(rates, limit(20, 10**6)) for _ in range(60)), return_exceptions=True)
    assert sum(isinstance(outcome, dict) for outcome in outcomes) == 20
    assert all(isinstance(outcome, dict | ApiError) for outcome in outcomes)
    assert (await admit(rates, limit(None, 10**6)))["x-ratelimit-remaining-tokens"] == str(10**6 - 21)


async def test_two_processes_count_together_in_redis(redis_url: str, redis: RedisWindows) -> None:
    other = RedisWindows(redis_url)
    try:
        await admit(Rates(redis), limit(2))
        await admit(Rates(other), limit(2))
        with pytest.raises(ApiError):
            await admit(Rates(redis), limit(2))
    finally:
        await other.close()


async def test_a_process_without_its_redis_counts_alone() -> None:
    nowhere = RedisWindows("redis+unix:///nowhere/at/all")
    rates = Rates(nowhere)
    await admit(rates, limit(1))
    with pytest.raises(ApiError):
        await admit(rates, limit(1))
    await nowhere.close()


async def test_a_window_slides_and_old_counters_are_removed() -> None:
    clock = Clock()
    windows = MemoryWindows(clock)
    assert await windows.acquire_sliding_window_entry("k", 10, PER_MINUTE, 10)
    assert not await windows.acquire_sliding_window_entry("k", 10, PER_MINUTE, 1)
    clock.now = 1020.0 + 30  # half of the next window: half of the last one still counts
    assert await windows.acquire_sliding_window_entry("k", 10, PER_MINUTE, 5)
    assert not await windows.acquire_sliding_window_entry("k", 10, PER_MINUTE, 1)
    clock.now += 10_000
    await windows.get_sliding_window("other", PER_MINUTE)
    assert list(windows._counters) == ["other"]


@given(
    amount=st.integers(1, 50),
    hits=st.lists(st.tuples(st.integers(1, 20), st.floats(0, 45)), min_size=1, max_size=20),
    cost=st.integers(1, 50),
)
def test_the_announced_wait_is_long_enough_and_hardly_longer_than_needed(
    amount: int, hits: list[tuple[int, float]], cost: int
) -> None:
    async def run() -> None:
        clock = Clock()
        windows = MemoryWindows(clock)
        for taken, pause in hits:
            await windows.acquire_sliding_window_entry("k", amount, PER_MINUTE, taken)
            clock.now += pause
        window = Window(*await windows.get_sliding_window("k", PER_MINUTE))
        wait = window.wait(amount, cost)
        if cost > amount:
            assert math.isinf(wait)
            return
        assert (wait == 0) == (window.used + cost <= amount)
        assert wait <= window.empty_in <= 2 * PER_MINUTE
        started = clock.now
        if wait > 0.01:
            clock.now = started + wait - 0.01
            assert Window(*await windows.get_sliding_window("k", PER_MINUTE)).used + cost > amount
        clock.now = started + wait + 0.01
        assert await windows.acquire_sliding_window_entry("k", amount, PER_MINUTE, cost)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("seconds", "written"), [(0, "0s"), (0.2, "1s"), (59.5, "1m0s"), (61, "1m1s"), (119.9, "2m0s")]
)
def test_times_are_written_as_openai_does(seconds: float, written: str) -> None:
    assert duration(seconds) == written
