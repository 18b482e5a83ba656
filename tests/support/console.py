"""The console as a person uses it, and as their browser asks the server."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.async_api import Locator, expect
from tests.support.browser import Visitor, fresh_link

_ASK = """
async ([method, path, body]) => {
  const init = { method, headers: { "content-type": "application/json" } };
  if (body !== null) init.body = JSON.stringify(body);
  const response = await fetch(path, init);
  return [response.status, await response.json().catch(() => null)];
}
"""


class ConsoleVisitor(Visitor):
    """Somebody at the console."""

    async def enter(self, token: str | None = None) -> None:
        """Sign in with a one-time token, the administrator's own if none is given."""
        link = await fresh_link(self.server) if token is None else f"#login={token}"
        await self.page.goto(f"{self.server.url}/console#{link.partition('#')[2]}")
        await expect(self.page.locator("h1")).to_be_visible()

    async def open(self, path: str) -> None:
        await self.page.goto(f"{self.server.url}/console{path}")
        await expect(self.page.locator("h1")).to_be_visible()

    async def follow(self, path: str) -> None:
        """To another page by its link, without a new document."""
        link = self.page.locator(f"nav a[href='/console{path.rstrip('/')}']").first
        await link.evaluate("link => link.click()")  # in a narrow window it is in a list that is closed
        await expect(link).to_have_attribute("aria-current", "page")
        await expect(self.page.locator("h1")).to_have_text(await link.text_content() or "")
        await expect(
            self.page.get_by_text(re.compile("One moment…|Un instant…|Einen Moment…|Un momento…"))
        ).to_have_count(0)

    async def fetch(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A request of the page's own session: the status, and the JSON."""
        status, answer = await self.page.evaluate(_ASK, [method, path, body])
        return status, answer

    async def make(self, path: str, body: Any) -> Any:
        status, answer = await self.fetch("POST", path, body)
        assert status == 200, json.dumps(answer)
        return answer

    async def act(self, action: str, name: str) -> None:
        """Do what a row offers: in the row itself, or in its menu."""
        button = self.page.get_by_role("button", name=f"{action}: {name}", exact=True)
        menu = self.page.get_by_role("button", name=f"More: {name}", exact=True)
        await expect(button.or_(menu).first).to_be_visible()
        if not await button.count():
            await menu.click()
        await button.click()

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text)

    def model(self, name: str) -> Locator:
        """A model's row on the models' page."""
        table = self.page.get_by_role("group", name="Models", exact=True)
        return table.get_by_role("row").filter(has=self.page.get_by_text(name, exact=True))

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")
