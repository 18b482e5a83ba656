"""The choice of a model; the server's list is changed on its way, for there is one real model here."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import Route, expect
from tests.support.browser import Visitor

OTHER = {
    "id": "other-7b",
    "name": "Other 7B",
    "parameters": 7_000_000_000,
    "languages": ["fr", "en"],
    "loaded": False,
    "capabilities": {"completion_chat": True},
}


async def list_models(guest: Visitor, *extra: dict[str, Any], keep: bool = True) -> None:
    async def answer(route: Route) -> None:
        body = await (await route.fetch()).json()
        await route.fulfill(json={"data": (body["data"] if keep else []) + list(extra)})

    await guest.page.route("**/v1/models", answer)


async def test_a_model_is_chosen_asked_and_remembered(guest: Visitor) -> None:
    await list_models(guest, OTHER)
    await guest.sign_in()
    await guest.page.get_by_role("button", name=re.compile("Model: ")).click()
    picker = guest.page.get_by_role("dialog", name="Choose a model")
    await expect(picker.get_by_role("radio", name="Other 7B French and English")).not_to_be_checked()
    await picker.get_by_role("radio", name="Other 7B").check()
    facts = picker.get_by_role("paragraph")
    await expect(facts.filter(has_text="7 billion parameters")).to_be_visible()
    await expect(picker.get_by_text("Not loaded yet: its first answer takes longer")).to_be_visible()
    await guest.page.keyboard.press("Escape")
    await guest.reload()
    await expect(guest.page.get_by_role("button", name=re.compile("Model: Other 7B"))).to_be_visible()

    async with guest.page.expect_request("**/v1/responses") as sent:
        await guest.ask("Hello?")
    assert (await sent.value).post_data_json["model"] == "other-7b"
    notice = guest.page.get_by_role("alert")
    await expect(notice).to_contain_text("This model is not here any more")
    await notice.get_by_role("button", name="Choose a model").click()
    await expect(picker).to_be_visible()


async def test_a_conversation_keeps_the_model_that_answered_it(person: Visitor) -> None:
    await list_models(person, OTHER)
    await person.reload()
    await person.shorten_answers()
    await person.ask("Hello?")
    await person.expect_state("finished")
    await person.page.get_by_role("button", name="New conversation").first.click()
    await person.page.get_by_role("button", name=re.compile("Model: ")).click()
    await person.page.get_by_role("dialog", name="Choose a model").get_by_role("radio", name="Other 7B").check()
    await person.page.keyboard.press("Escape")
    chosen = person.page.get_by_role("button", name=re.compile("Model: Other 7B"))
    await expect(chosen).to_be_visible()

    await person.page.go_back()
    await expect(person.page.get_by_role("button", name=re.compile("Model: smollm2-135m"))).to_be_visible()
    async with person.page.expect_request("**/v1/responses") as sent:
        await person.ask("And again?")
    assert (await sent.value).post_data_json["model"] == "smollm2-135m"
    await person.page.get_by_role("button", name="New conversation").first.click()
    await expect(chosen).to_be_visible()


async def test_where_no_model_is_left_none_is_offered_to_choose(guest: Visitor) -> None:
    await list_models(guest, OTHER, keep=False)
    await guest.sign_in()
    await guest.page.unroute("**/v1/models")
    await list_models(guest, keep=False)
    await guest.ask("Hello?")
    notice = guest.page.get_by_role("alert")
    await expect(notice).to_contain_text("No model is left here: whoever runs this server can add one.")
    await expect(notice.get_by_role("button")).to_have_text(["Ask again"])


async def test_the_choice_of_a_model_fits_beside_a_narrow_window_s_scroll_bar(person: Visitor) -> None:
    await person.page.set_viewport_size({"width": 390, "height": 800})
    await person.page.get_by_role("button", name=re.compile("Model: ")).click()
    right = "element => element.getBoundingClientRect().right"
    panel = await person.page.locator("#model-card").evaluate(right)
    assert panel <= await person.page.locator("body").evaluate(right)


async def test_a_server_without_models_says_how_to_get_one(guest: Visitor) -> None:
    await list_models(guest, keep=False)
    await guest.sign_in()
    await expect(guest.page.get_by_text(re.compile("No model is loaded"))).to_be_visible()
    await expect(guest.page.get_by_text("aquilon models suggest")).to_be_visible()


async def test_a_model_that_only_completes_text_is_not_offered_for_conversation(guest: Visitor) -> None:
    await list_models(guest, {**OTHER, "capabilities": {"completion_chat": False}})
    await guest.sign_in()
    await guest.page.get_by_role("button", name=re.compile("Model: ")).click()
    await expect(guest.page.get_by_text("Other 7B")).to_have_count(0)


async def test_a_model_that_was_measured_shows_its_figures_by_language(guest: Visitor) -> None:
    share = {"value": 0.25, "low": 0.1, "high": 0.4, "count": 100}
    french = {"language": "fr", "bits_per_byte": {**share, "value": 0.934}, "accuracy": {"mgsm-fr": share}}
    italian = {"language": "it", "bits_per_byte": {**share, "value": 1.2}, "accuracy": {}}
    await list_models(guest, {**OTHER, "scorecard": {"languages": [french, italian]}})
    await guest.sign_in()
    await guest.page.get_by_role("button", name=re.compile("Model: ")).click()
    figures = guest.page.get_by_role("table", name="Measured on this server")
    await expect(figures).to_have_count(0)
    await guest.page.get_by_role("radio", name="Other 7B").check()
    await expect(figures.get_by_role("row", name="French")).to_contain_text(re.compile("0.93.*mgsm-fr.*25%.*10%.*40%"))
    await expect(figures.get_by_role("row", name="Italian")).to_contain_text("1.20")
