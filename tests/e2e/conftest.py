"""A real browser in front of the real server with the real model."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, StorageState, expect
from tests.support.browser import Visitor, running_browser, visitor
from tests.support.console import ConsoleVisitor
from tests.support.server import RunningServer

expect.set_options(timeout=20_000)
"""Of a machine that runs other tests meanwhile; what is there at once is not waited for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.path.as_posix():
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def guest(browser: Browser, server: RunningServer) -> AsyncIterator[Visitor]:
    """Somebody who is not signed in."""
    async with visitor(browser, server) as someone:
        yield someone


@pytest_asyncio.fixture(loop_scope="session")
async def person(guest: Visitor) -> Visitor:
    """Somebody who is signed in and may type."""
    await guest.sign_in()
    return guest


@pytest_asyncio.fixture(loop_scope="session")
async def brief_person(person: Visitor) -> Visitor:
    """The same, whose questions the model answers in a few words."""
    await person.shorten_answers()
    return person


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def owners_cookies(browser: Browser, server: RunningServer) -> StorageState:
    """Of the first administrator's session."""
    async with visitor(browser, server, ConsoleVisitor) as someone:
        await someone.enter()
        return await someone.page.context.storage_state()


@pytest_asyncio.fixture(loop_scope="session")
async def owner(browser: Browser, server: RunningServer, owners_cookies: StorageState) -> AsyncIterator[ConsoleVisitor]:
    """The first administrator at the console."""
    async with visitor(browser, server, ConsoleVisitor, storage_state=owners_cookies) as someone:
        await someone.open("/")
        yield someone
