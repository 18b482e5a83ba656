"""What a person is told when something breaks, and how they get on."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from tests.support.browser import Visitor, fresh_link, visitor
from tests.support.polling import until
from tests.support.server import RunningServer, prepare_home, start_server

LONG = "Write a long story about the north wind, the sea and the mountains, with many chapters."
LONG_TOKENS = 1000
"""The answer that is always the same has more; another may end before it is interrupted."""
BACK_MS = 60_000


@pytest_asyncio.fixture(loop_scope="session")
async def doomed(browser: Browser, default_model_file: Path, tmp_path: Path) -> AsyncIterator[Visitor]:
    """Somebody at a server of their own, which may be killed."""
    prepare_home(tmp_path / "home", default_model_file)
    server = start_server(tmp_path / "home")
    try:
        async with visitor(browser, server) as someone:
            yield someone
    finally:
        if server.process.poll() is None:
            server.stop()


async def begin_long_answer(someone: Visitor) -> None:
    await someone.sign_in()
    await someone.shorten_answers(LONG_TOKENS)
    await someone.ask(LONG)
    await someone.expect_state("streaming")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill_tree(server: RunningServer) -> None:
    engines = children(server.pid)
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    for pid in engines:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
async def test_a_server_killed_in_mid_answer_is_found_again(doomed: Visitor) -> None:
    """The page looks for it by itself; what it had written is there, and can be answered again."""
    await begin_long_answer(doomed)
    kill_tree(doomed.server)
    await expect(doomed.turns.last.get_by_text("The connection is lost.")).to_be_visible()
    assert await doomed.answer.inner_text()
    await doomed.page.keyboard.press("Escape")
    await doomed.expect_state("stopped")

    notice = doomed.page.get_by_role("alert")
    await doomed.ask("Are you there?")
    await expect(notice).to_contain_text("The server does not answer")
    await expect(notice).to_contain_text("aquilon up")
    await expect(notice.get_by_role("button", name="Look again now")).to_be_visible()
    await expect(doomed.turns.locator(".bubble")).to_have_text([LONG, "Are you there?"])

    port = doomed.server.url.rsplit(":", 1)[1]
    again = start_server(doomed.server.home, environment={"AQUILON_PORT": port})
    try:
        await expect(notice).to_contain_text("The server is back.", timeout=BACK_MS)
        await expect(doomed.page.get_by_text("The server can’t be reached.")).to_have_count(0)  # of the side list
        await doomed.shorten_answers()
        await notice.get_by_role("button", name="Ask again").click()
        await doomed.expect_state("finished")
        await expect(doomed.turns).to_have_count(2)
        await doomed.reload()
        await expect(doomed.turns.locator(".bubble")).to_have_text([LONG, "Are you there?"])
    finally:
        again.stop()


@pytest.mark.slow
async def test_an_answer_whose_server_was_restarted_is_continued_without_a_reload(doomed: Visitor) -> None:
    await begin_long_answer(doomed)
    doomed.server.stop()
    await expect(doomed.page.get_by_role("alert")).to_contain_text("The server was restarted in mid-answer")
    again = start_server(doomed.server.home, environment={"AQUILON_PORT": doomed.server.url.rsplit(":", 1)[1]})
    try:
        await doomed.shorten_answers()
        go_on = doomed.page.get_by_role("button", name="Continue the answer")
        await expect(go_on).to_be_visible(timeout=BACK_MS)
        await expect(doomed.page.get_by_text("The server does not answer")).to_have_count(0)
        await doomed.reload()
        await expect(doomed.turns.locator(".bubble")).to_have_text([LONG])
        await expect(doomed.field).to_have_value("")  # it was asked
        await go_on.click()
        await doomed.expect_state("finished")
    finally:
        again.stop()


@pytest.mark.slow
async def test_a_server_that_can_save_nothing_says_so_and_is_asked_again_when_it_can(doomed: Visitor) -> None:
    await doomed.sign_in()
    await doomed.shorten_answers()
    await doomed.ask("Say one word.")
    await doomed.expect_state("finished")
    resource.prlimit(doomed.server.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    await doomed.ask("Say another word.")
    notice = doomed.page.get_by_role("alert")
    await expect(notice).to_contain_text("The server can’t save anything now")
    await expect(notice).to_contain_text("tell an administrator")
    resource.prlimit(doomed.server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await until(lambda: "Usage is recorded again" in doomed.server.log)
    await notice.get_by_role("button", name="Ask again").click()
    await doomed.expect_state("finished")
    await doomed.reload()
    await expect(doomed.turns.locator(".bubble")).to_have_text(["Say one word.", "Say another word."])


@pytest.mark.slow
async def test_an_engine_that_dies_in_mid_answer_is_explained_and_comes_back(doomed: Visitor) -> None:
    await begin_long_answer(doomed)
    for pid in children(doomed.server.pid):
        os.kill(pid, signal.SIGKILL)
    await doomed.expect_state("failed")
    notice = doomed.page.get_by_role("alert")
    await expect(notice).to_contain_text("The model stopped and is starting again")
    await expect(notice).to_contain_text("The server is back.", timeout=BACK_MS)
    await doomed.shorten_answers()
    await notice.get_by_role("button", name="Ask again").click()
    await doomed.expect_state("streaming|finished")


async def test_a_question_too_long_for_the_model_is_refused_with_both_numbers(person: Visitor) -> None:
    await person.field.fill("north wind " * 9000)
    await person.field.press("Enter")
    notice = person.page.get_by_role("alert")
    await expect(notice).to_contain_text("The conversation is too long for this model")
    await expect(notice).to_contain_text("8,192 fit")
    await person.shorten_answers()
    await notice.get_by_role("button", name="Change the question").click()
    changed = person.page.get_by_role("textbox", name="The changed question")
    await expect(changed).to_be_focused()
    await expect(changed).to_have_value(("north wind " * 9000).strip())  # before it is typed over
    await changed.fill("Say hello.")
    await changed.press("Enter")
    await person.expect_state("finished")
    await expect(person.turns.locator(".bubble")).to_have_text(["Say hello."])


@pytest.mark.slow
async def test_an_ended_session_is_explained_and_the_conversation_stays(person: Visitor) -> None:
    await person.shorten_answers()
    await person.ask("Say hello.")
    await person.expect_state("finished")
    await person.page.context.clear_cookies()
    await person.ask("And again.")
    notice = person.page.get_by_role("alert")
    await expect(notice).to_contain_text("You are signed out")
    await expect(notice.get_by_role("link", name="Open the sign-in page")).to_be_visible()

    conversation = person.page.url
    await person.page.goto(await fresh_link(person.server))
    await expect(person.field).to_be_focused()
    await person.page.goto(conversation)
    await expect(person.field).to_have_value("And again.")
    await person.field.press("Enter")
    await person.expect_state("finished")
    await expect(person.turns).to_have_count(2)
