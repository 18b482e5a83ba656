"""Models as their operator handles them in the console: fetched, loaded, described, replaced, removed."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, StorageState, expect
from tests.support.browser import visitor
from tests.support.console import ConsoleVisitor
from tests.support.hub import FakeHub, HubRepository, fake_hub
from tests.support.server import RunningServer, start_server
from tests.support.stored_models import store_model
from tests.support.tiny_checkpoint import tiny_checkpoint

SUGGESTED = "hf:utter-project/EuroLLM-1.7B-Instruct"
"""One of the models that are suggested, as the hub here has it: tiny."""
COMES = 30_000
"""Milliseconds that a tiny model takes at most to come or to be loaded, however busy the machine."""


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with fake_hub() as hub:
        card = {"license": "apache-2.0"}
        hub.repositories[SUGGESTED.removeprefix("hf:")] = HubRepository(tiny_checkpoint(seed=5), card=card)
        hub.repositories["eagle/Small"] = HubRepository(tiny_checkpoint(seed=6), card=card)
        yield hub


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[RunningServer]:
    """A server with two tiny models, of which it loads one, that pulls from the hub here."""
    home: Path = tmp_path_factory.mktemp("house")
    for seed, name in enumerate(("one", "two")):
        store_model(home / "models", name, tiny_checkpoint(seed))
    running = start_server(home, environment={"AQUILON_MODELS": "one", "HF_ENDPOINT": hub.endpoint})
    yield running
    running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operators_cookies(browser: Browser, house: RunningServer) -> StorageState:
    async with visitor(browser, house, ConsoleVisitor) as someone:
        await someone.enter()
        return await someone.page.context.storage_state()


@pytest_asyncio.fixture(loop_scope="session")
async def operator(
    browser: Browser, house: RunningServer, operators_cookies: StorageState
) -> AsyncIterator[ConsoleVisitor]:
    async with visitor(browser, house, ConsoleVisitor, storage_state=operators_cookies) as someone:
        await someone.open("/models")
        yield someone


@pytest.mark.slow
async def test_a_suggested_model_is_pulled_stopped_and_pulled_again(operator: ConsoleVisitor, hub: FakeHub) -> None:
    suggestions = operator.page.get_by_role("region", name="Open models that fit this machine")
    pulls = operator.page.get_by_role("region", name="Pull a model")
    suggested = suggestions.get_by_role("row").filter(has_text="EuroLLM 1.7B")
    hub.held = threading.Event()
    try:
        await suggested.get_by_role("button", name="Pull: EuroLLM 1.7B").click()
        await expect(suggested).to_contain_text("coming")
        await expect(pulls.get_by_role("progressbar")).to_be_visible()
        await operator.page.get_by_role("button", name=f"Stop: {SUGGESTED}").click()
        await expect(pulls.get_by_role("row").filter(has_text=SUGGESTED)).to_contain_text("stopped", timeout=COMES)
    finally:
        hub.held.set()
        hub.held = None
    await operator.page.get_by_role("button", name=f"Try again: {SUGGESTED}").click()
    await expect(suggested).to_contain_text("here", timeout=COMES)
    await expect(suggested.get_by_role("button")).to_have_count(0)
    await expect(operator.page.get_by_role("button", name=f"Try again: {SUGGESTED}")).to_have_count(0)
    await expect(operator.model("EuroLLM-1.7B-Instruct")).to_contain_text("on the disk")


@pytest.mark.slow
async def test_a_model_is_pulled_by_its_address_loaded_unloaded_and_removed(operator: ConsoleVisitor) -> None:
    await operator.page.get_by_label("Source").fill("hf:eagle/Small")
    await operator.page.get_by_label("Name here").fill("small")
    await operator.page.get_by_role("button", name="Pull", exact=True).click()
    small = operator.model("small")
    await expect(small).to_contain_text("on the disk", timeout=COMES)
    await expect(small).to_contain_text("apache-2.0")
    await operator.page.get_by_role("button", name="Load: small").press("Enter")
    await expect(small).to_contain_text("in memory", timeout=COMES)
    await expect(operator.page.get_by_role("button", name="Unload: small")).to_be_focused()
    await operator.page.keyboard.press("Enter")
    await expect(small).to_contain_text("on the disk", timeout=COMES)
    await operator.act("Remove", "small")
    await operator.dialog.get_by_role("button", name="Remove").click()
    await expect(operator.dialog.get_by_role("alert")).to_contain_text("That is not “small”.")
    await operator.dialog.get_by_label("Write “small” to confirm").fill("small")
    await operator.dialog.get_by_role("button", name="Remove").click()
    await expect(small).to_have_count(0)


@pytest.mark.slow
async def test_what_can_t_be_pulled_is_told_in_words(operator: ConsoleVisitor) -> None:
    await operator.page.get_by_label("Source").fill("/srv/models/mine")
    await operator.page.get_by_role("button", name="Pull", exact=True).click()
    await expect(operator.page.get_by_role("alert")).to_contain_text("run aquilon pull")
    await operator.page.get_by_label("Source").fill("hf:nobody/Nothing")
    await operator.page.get_by_role("button", name="Pull", exact=True).click()
    failed = operator.row("hf:nobody/Nothing")
    await expect(failed).to_contain_text("failed", timeout=COMES)
    await expect(failed.get_by_role("button", name="Try again: hf:nobody/Nothing")).to_be_visible()


async def test_what_is_said_of_a_model_is_what_clients_read(operator: ConsoleVisitor) -> None:
    await operator.act("Change", "two")
    await operator.dialog.get_by_label("Description").fill("For the north wind")
    await operator.dialog.get_by_label("Licence").fill("cc-by-4.0")
    await operator.dialog.get_by_label("Languages it is good at").fill("fr, de")
    await expect(operator.dialog.get_by_text("French and German")).to_be_visible()
    await operator.dialog.get_by_label("Its files").select_option("open")
    await operator.dialog.get_by_label("Answers until").fill("2040-05-01T12:00")
    await operator.dialog.get_by_label("To use in its place").select_option("one")
    await operator.dialog.get_by_role("button", name="Save").click()
    two = operator.model("two")
    await expect(two).to_contain_text("cc-by-4.0")
    await expect(two).to_contain_text("2040")
    await expect(two).to_contain_text("in its place: one")
    _, card = await operator.fetch("GET", "/v1/models/two")
    assert (card["description"], card["access"], card["languages"]) == ("For the north wind", "open", ["fr", "de"])
    assert card["deprecation_replacement_model"] == "one"

    await operator.act("Change", "two")
    await operator.dialog.get_by_label("Answers until").fill("")
    await operator.dialog.get_by_label("To use in its place").select_option("")
    await operator.dialog.get_by_role("button", name="Save").click()
    await expect(two).not_to_contain_text("2040")
    _, card = await operator.fetch("GET", "/v1/models/two")
    assert (card["license"], card["deprecation"], card["deprecation_replacement_model"]) == ("cc-by-4.0", None, None)


@pytest.mark.slow
async def test_fall_backs_are_set_in_order_changed_and_removed(operator: ConsoleVisitor) -> None:
    await operator.open("/upstreams")
    await operator.page.get_by_role("button", name="Set fall-backs").click()
    await operator.dialog.get_by_label("Model").select_option("one")
    await operator.dialog.get_by_label("In its place, number 1").select_option("two")
    await expect(operator.dialog.get_by_label("In its place, number 2")).to_have_value("")
    await operator.dialog.get_by_role("button", name="Save").click()
    await expect(operator.row("one").get_by_role("cell").nth(1)).to_have_text("two")
    _, found = await operator.fetch("GET", "/v1/server/fallbacks")
    assert [(each["model"], each["models"]) for each in found["data"]] == [("one", ["two"])]

    await operator.act("Change", "one")
    await expect(operator.dialog.get_by_label("In its place, number 1")).to_have_value("two")
    await operator.page.keyboard.press("Escape")
    await operator.act("Remove", "one")
    await operator.dialog.get_by_role("button", name="Remove").click()
    await expect(operator.page.get_by_text("None yet: when a model fails")).to_be_visible()
