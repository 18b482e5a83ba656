"""The variable that an example takes a key from: whoever exported it once can paste every one of them."""

from __future__ import annotations

import re

from tests.support.frontend import FRONTEND
from tests.support.server import ROOT

USED = re.compile(r"Bearer \$\{?(\w+)|environ(?:\.get)?[\[(]\"(\w*KEY)\"|process\.env\.(\w*KEY)")


def test_every_example_takes_the_key_from_the_same_variable() -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    texts += [file for file in (FRONTEND / "src").rglob("*") if file.suffix in {".ts", ".svelte"}]
    found = 0
    for file in texts:
        text = file.read_text()
        for match in USED.finditer(text):
            name = next(group for group in match.groups() if group)
            found += 1
            made_here = re.search(rf"\b{name}=\"?\$\(", text) is not None  # a second key, for another program
            assert name == "AQUILON_API_KEY" or made_here, f"{file}: {match[0]}"
    assert found > 20
