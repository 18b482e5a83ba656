"""What an answer of 32 KB costs the browser's main thread while it arrives token by token on the real page.

The server is real, the model is a stand-in that sends the answer in pieces of some four characters. Chromium's trace
says how long each task of the page's main thread took; those of the answer's time are counted.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from tests.support.browser import running_browser
from tests.support.talker import at_the_page, talking_server

from bench.report import keep, table

BYTES = 32 * 1024
_PART = """## A heading of part {number}

A paragraph of some hundred characters, as models write them, with **bold**, `code` and a [link](https://example.org).
It goes on for a second line, and costs $a^2 + b^2 = c^2$ besides.

- one
- two, which is longer
  - three, inside

```python
def north(wind: int) -> int:
    # how strong it is
    return wind * {number}
```

| wind | force | share |
|---|--:|--:|
| north | {number} | 12 % |
| south | 7 | 88 % |

"""
_QUESTION = "Thirty-two kilobytes"
_ENDED = """async () => {
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const turns = () => [...document.querySelectorAll("[data-state]")];
  while (turns().length < 2 || turns().at(-1).dataset.state !== "finished") await pause(100);
  await pause(500);
}"""
"""Asked of the page itself, once: Playwright's repeated expectations describe the whole page on its main thread."""


def answer_text() -> str:
    parts, number = "", 0
    while len(parts) < BYTES:
        number += 1
        parts += _PART.replace("{number}", str(number))
    return parts[:BYTES]


async def _measure(pause: float) -> dict[str, float]:
    """What one answer took of the page's main thread: all tasks, the longest, scripts alone, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder, talking_server(Path(folder)) as talker:
        talker.says({"Hello": "Hello. `x`", _QUESTION: answer_text()}, pause=pause)
        async with running_browser() as browser, at_the_page(browser, talker) as someone:
            await someone.ask("Hello")  # what is loaded with the first answer is here then
            await someone.expect_state("finished")
            devtools = await browser.new_browser_cdp_session()
            events: list[dict[str, Any]] = []
            ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            devtools.on("Tracing.dataCollected", lambda message: events.extend(message["value"]))
            devtools.on("Tracing.tracingComplete", lambda _: ended.set_result(None))
            categories = "toplevel,devtools.timeline,blink.user_timing,disabled-by-default-devtools.timeline"
            await devtools.send("Tracing.start", {"categories": categories, "transferMode": "ReportEvents"})
            await someone.field.fill(_QUESTION)  # looks at the page from inside, as a person doesn't
            await someone.page.evaluate("performance.mark('begin')")
            await someone.page.keyboard.press("Enter")
            await someone.page.evaluate(_ENDED)
            await devtools.send("Tracing.end")
            await ended
    return _figures(events)


def _figures(events: list[dict[str, Any]]) -> dict[str, float]:
    begin = next(event for event in events if event["name"] == "begin")
    thread = (begin["pid"], begin["tid"])
    ours = [
        event
        for event in events
        if (event["pid"], event["tid"]) == thread and event["ph"] == "X" and event["ts"] >= begin["ts"]
    ]
    tasks = [event for event in ours if event["name"] == "RunTask"]
    names = {"FunctionCall", "EvaluateScript", "FireAnimationFrame", "RunMicrotasks", "Layout", "UpdateLayoutTree"}
    names |= {"Paint", "PrePaint", "Layerize", "Commit", "ParseHTML", "MinorGC", "MajorGC"}
    by_name = {
        name: sum(event.get("tdur", event.get("dur", 0)) for event in ours if event["name"] == name) / 1000
        for name in sorted(names)
    }
    return {
        "main thread": sum(event.get("tdur", event["dur"]) for event in tasks) / 1000,
        "longest task": max(event.get("tdur", event["dur"]) for event in tasks) / 1000,
        "longest task, waits included": max(event["dur"] for event in tasks) / 1000,
        "tasks over 50": float(sum(event.get("tdur", event["dur"]) > 50_000 for event in tasks)),
        **by_name,
    }


def main(*, quick: bool = False) -> None:
    figures = {
        f"{name}, milliseconds": asyncio.run(_measure(pause))
        for name, pause in (("as fast as it comes", 0.0), *(() if quick else (("1,000 pieces a second", 0.001),)))
    }
    rows = [[name, *(f"{one[name]:.1f}" for one in figures.values())] for name in next(iter(figures.values()))]
    print(table(["", *figures], rows))
    print(json.dumps(figures))
    print(f"\nkept in {keep('rendering', figures)}")
