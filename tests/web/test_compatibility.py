"""``docs/compatibility.md`` agrees with the route table on every path of both contracts."""

from __future__ import annotations

import re

import pytest
from tests.support.contracts import (
    CONTRACTS,
    HEADING,
    PAGE,
    family,
    nameless,
    openai_operations,
    path_section,
    read,
    served,
)


def test_the_list_of_paths_equals_the_route_table() -> None:
    assert PAGE.read_text(encoding="utf-8").endswith(path_section()), "run scripts/compatibility-paths"


def test_openais_paths_are_those_of_the_installed_client() -> None:
    assert read(CONTRACTS["OpenAI"]) == openai_operations(), "run scripts/compatibility-paths"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_page_gives_a_reason_for_every_missing_family_of_paths(contract: str) -> None:
    here, page = served(), PAGE.read_text(encoding="utf-8").partition(HEADING)[0]
    reasons = set(re.findall(r"`([a-z_]+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", page, re.M))))
    missing = {family(path) for path, method in read(CONTRACTS[contract]) if (nameless(path), method) not in here}
    assert missing <= reasons


def test_every_path_that_is_served_is_explained() -> None:
    """In words, before the list."""
    page = nameless(PAGE.read_text(encoding="utf-8").partition(HEADING)[0])
    for contract in CONTRACTS.values():
        for path, method in read(contract):
            if (nameless(path), method) in served():
                assert f"`{nameless(path)}`" in page, path
