"""Long conversations: what is in view is drawn first and stays there, and no more is laid out than is seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, expect
from tests.support.answers import RICH
from tests.support.talker import Talker, at_the_page, talking_server

TURNS = 20
"""As many as are read at first."""
MEGABYTE = 1_000_000
_FRAMES = """
window.frames = [];
const painted = new MessageChannel();
painted.port1.onmessage = () => {
  const turns = document.querySelectorAll(".turn");
  if (turns.length === 0) return;
  const fromEnd = document.documentElement.scrollHeight - innerHeight - scrollY;
  window.frames.push({ turns: turns.length, fromEnd, top: turns[turns.length - 1].getBoundingClientRect().top });
};
requestAnimationFrame(function look() {
  painted.port2.postMessage(null);
  requestAnimationFrame(look);
});
"""


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talker]:
    with talking_server(tmp_path_factory.mktemp("talker")) as running:
        yield running


def conversation_of(talker: Talker, *turns: tuple[str, str]) -> str:
    """The address of one with these questions and answers."""

    def message(role: str, kind: str, text: str) -> dict[str, object]:
        return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}

    made = talker.owner.post("/v1/conversations", json={}).raise_for_status().json()
    for question, answer in turns:
        items = [message("user", "input_text", question), message("assistant", "output_text", answer)]
        talker.owner.post(f"/v1/conversations/{made['id']}/items", json={"items": items}).raise_for_status()
    return f"{talker.server.url}/c/{made['id']}"


async def test_a_conversation_is_drawn_from_its_end_and_what_is_in_view_stays_there(
    browser: Browser, talker: Talker
) -> None:
    answer = "A paragraph of the answer, some ten words long.\n\n" * 40 + RICH
    rich = [(f"Question {number}", answer) for number in range(TURNS - 1)]
    address = conversation_of(talker, *rich, ("And the last one?", "A line."))
    async with at_the_page(browser, talker) as someone:
        await someone.page.add_init_script(_FRAMES)
        await someone.page.goto(address)
        await expect(someone.turns).to_have_count(TURNS)
        await expect(someone.turns.first).to_contain_text("Question 0")
        frames = await someone.page.evaluate("frames")
        assert frames[0]["turns"] < TURNS
        assert frames[-1]["fromEnd"] == 0
        tops = [frame["top"] for frame in frames if frame["fromEnd"] == 0]  # else something came after the frame
        assert max(tops) - min(tops) < 2


async def test_a_long_question_is_folded_to_what_is_seen_and_changed_whole(browser: Browser, talker: Talker) -> None:
    address = conversation_of(talker, ("x" * MEGABYTE, "Long."), ("שלום " * 5_000, "Longer."))
    async with at_the_page(browser, talker) as someone:
        await someone.page.goto(address)
        for turn, length, direction in ((0, MEGABYTE, "ltr"), (1, 25_000, "rtl")):
            question = someone.turns.nth(turn).get_by_role("group", name="Your question")
            bubble = "node => node.querySelector('.bubble').textContent.length"
            assert await question.evaluate(bubble) < 10_000
            await question.get_by_role("button", name="Show all of the question").click()
            assert await question.evaluate(bubble) == length
            await question.get_by_role("button", name="Show less").click()
            assert await question.evaluate(bubble) < 10_000
            await question.get_by_role("button", name="Change the question").click()
            field = question.get_by_role("textbox")
            assert len(await field.input_value()) == length
            await expect(field).to_have_attribute("dir", direction)
            await field.fill("Short.")
            await expect(field).to_have_attribute("dir", "auto")
            await field.press("Escape")
