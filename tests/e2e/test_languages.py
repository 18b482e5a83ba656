"""The pages in German, Spanish and Italian: nothing is left in English, errors included; text from right to left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from tests.e2e.test_console_pages import PAGES
from tests.support.browser import Visitor, visitor
from tests.support.console import ConsoleVisitor
from tests.support.server import RunningServer, prepare_home, start_server

ENGLISH = re.compile(
    r"\b(the|your|and|with|of|for|is|are|this|which|there|from|here|what|who|when|that|have|has|its|their|"
    r"none|yet|new|make|add|set|change|remove|created|until|key|keys|budgets?|workspace|requests?|answers?|"
    r"settings|usage|members|owner|show|hide|save|cancel|close|today|yesterday|ago|days?|minutes?)\b",
    re.IGNORECASE,
)
SHARED = {"de": "budget|budgets|die|minute|so|war", "es": "has", "it": "budget|file"}
"""English words of the list that the language has too."""

NAMES = ("first key", "hf:owner/repository")
"""A key of the first start, which somebody may rename, and how a source is written: no texts of the pages."""

SEEN = r"""
() => {
  const typeOfEntry = /^[a-z_]+\.[a-z_]+$/; // an audit entry's type, which the title of its translation shows
  const english = 'code, pre, [lang=en], [translate=no], script, noscript, style, option[value="en"]';
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest(english)) texts.push(walker.currentNode.textContent.trim());
  }
  for (const element of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
    if (element.closest(english)) continue;
    for (const name of ["aria-label", "placeholder"]) texts.push(element.getAttribute(name) ?? "");
    const title = element.getAttribute("title") ?? "";
    if (!typeOfEntry.test(title)) texts.push(title);
  }
  return texts.filter((text) => text !== "");
}
"""


@pytest.fixture(scope="module")
def server(default_model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Without the keys, files and people that other tests gave English names."""
    home = tmp_path_factory.mktemp("languages")
    prepare_home(home, default_model_file)
    running = start_server(home)
    yield running
    running.stop()


async def english_of(page: Page, language: str) -> list[str]:
    """What is on the page and sounds English."""
    shared = set(SHARED[language].split("|"))
    texts: list[str] = await page.evaluate(SEEN)
    names = re.compile("|".join(map(re.escape, NAMES)))
    said = [names.sub("", text) for text in texts]
    return [text for text in said if {word.lower() for word in ENGLISH.findall(text)} - shared]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["de", "es", "it"])
async def test_no_page_is_left_in_english(browser: Browser, server: RunningServer, language: str) -> None:
    async with visitor(browser, server, ConsoleVisitor, locale=language) as guest:
        await guest.page.goto(server.url)
        await expect(guest.page.locator("form")).to_be_visible()
        assert await english_of(guest.page, language) == [], "signing in"
    async with visitor(browser, server, ConsoleVisitor, locale=language) as owner:
        await owner.enter()
        await owner.open("/")
        await expect(owner.page.locator("html")).to_have_attribute("lang", language)
        for path in PAGES:
            await owner.follow(path)
            await owner.page.wait_for_load_state("networkidle")
            assert await english_of(owner.page, language) == [], path
        await owner.page.goto(server.url)
        await expect(owner.field).to_be_focused()
        assert await english_of(owner.page, language) == [], "the conversation"


async def test_a_refusal_is_said_in_the_readers_language_with_the_label_of_the_field(
    browser: Browser, server: RunningServer
) -> None:
    async with visitor(browser, server, ConsoleVisitor, locale="de") as owner:
        await owner.enter()
        await owner.open("/limits")
        await owner.page.get_by_role("button", name="Limit festlegen").first.click()
        await owner.dialog.get_by_role("button", name="Speichern").click()
        refused = owner.dialog.get_by_role("alert")
        await expect(refused).to_contain_text("Mindestens eines dieser Felder braucht eine Zahl: Anfragen pro Minute, ")
        await owner.dialog.get_by_label("Anfragen pro Minute").fill("9" * 15)
        await owner.dialog.get_by_role("button", name="Speichern").click()
        await expect(refused).to_contain_text("Anfragen pro Minute: ")
        assert await english_of(owner.page, "de") == []


async def test_a_form_that_nobody_touched_speaks_the_language_of_the_page_too(guest: Visitor) -> None:
    await guest.page.goto(guest.server.url)
    await guest.choose_language("Deutsch")
    await guest.page.get_by_role("button", name="Anmelden", exact=True).click()
    name = guest.page.get_by_label("Name oder E-Mail-Adresse")
    assert await name.evaluate("field => field.validationMessage") == "Füllen Sie dieses Feld aus."


async def test_what_is_wrong_with_a_field_is_said_in_the_language_of_the_page_and_not_the_browsers(
    browser: Browser, server: RunningServer
) -> None:
    async with visitor(browser, server, ConsoleVisitor) as owner:
        await owner.enter()
        await owner.choose_language("Deutsch")
        remark = "field => field.validationMessage"
        await owner.open("/budgets")
        await owner.page.get_by_role("button", name="Budget festlegen").click()
        amount = owner.dialog.get_by_label("Betrag in EUR")
        for wrong, said in (("", "Füllen Sie dieses Feld aus."), ("abc", "Das hat nicht die verlangte Form.")):
            await amount.fill(wrong)
            await owner.dialog.get_by_role("button", name="Budget festlegen").click()
            assert await amount.evaluate(remark) == said
        await amount.fill("25")
        assert await amount.evaluate(remark) == ""
        await owner.open("/account")
        await expect(owner.page.get_by_text("Mindestens 12 Zeichen.")).to_be_visible()
        password = owner.page.get_by_label("Neues Passwort")
        await password.press_sequentially("short")
        await owner.page.get_by_role("button", name="Passwort festlegen").click()
        assert await password.evaluate(remark) == "Mindestens 12 Zeichen."


async def test_the_audit_log_names_fields_and_values_in_the_readers_language(
    browser: Browser, server: RunningServer
) -> None:
    async with visitor(browser, server, ConsoleVisitor, locale="fr") as owner:
        await owner.enter()
        await owner.make("/v1/organization/budgets", {"limit_microcents": 5 * 10**9, "period": "month"})
        await owner.make("/v1/organization/limits", {"requests_per_minute": 6000})
        await owner.make("/v1/organization/invitations", {"role": "member", "uses": 2, "expires_in": 86_400})
        await owner.open("/audit")
        for said in (
            "Période\u00a0: mois · Montant\u00a0: 50,00\u00a0€",
            "Pour qui\u00a0: l’organisation · Requêtes par minute",
        ):
            await expect(owner.page.get_by_text(said)).to_be_visible()
        details = " · ".join(await owner.page.locator(".detail").all_inner_texts())
        assert re.findall(r"[a-z]+_[a-z_]+\s:|: (?:true|false|month|null)\b", details) == []


async def test_arabic_reads_from_right_to_left_beside_code_that_does_not(person: Visitor) -> None:
    await person.script_answer("مرحبا بالعالم\n\n1. أول `x = 1` هنا\n2. second\n\n```py\nprint(1)\n```\n\nhello")
    await person.reload()
    await person.ask("שלום עולם")
    await person.expect_state("finished")
    sides = """parts => parts.map((part) => getComputedStyle(part).direction)"""
    assert await person.page.locator(".bubble").evaluate_all(sides) == ["rtl"]
    assert await person.answer.locator("> p, > ol, li > code, pre > code").evaluate_all(sides) == [
        "rtl",
        "rtl",
        "ltr",
        "ltr",
        "ltr",
    ]
