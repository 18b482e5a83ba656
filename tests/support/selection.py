"""Which tests are quick: those that start no server, browser, database server, other program or torch model."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

_HEAVY_PACKAGES = {"multiprocessing", "playwright", "subprocess", "torch", "transformers", "xllamacpp"}
_HEAVY_MODULES = {"tests.support.prepared", "tests.support.server", "tests.support.wheels"}
_HEAVY_FIXTURES = {"command", "forked_programs", "server", "session_server", "shelf", "tiny_server"}
_STARTERS = re.compile(
    r"^from aquilon\S* import .*\b(?:Engine|EmbeddingProcess|LibraryRunner|checks|extract|run_program)\b", re.M
)
"""What starts a process of the program's own."""
_IMPORT = re.compile(r"^(?:from|import) ([\w.]+)(?! import RunningServer$)", re.M)
"""Who imports the class alone takes a server from a fixture."""
_TESTS = Path(__file__).parents[1]


def is_quick(item: pytest.Item) -> bool:
    """By what the test's file imports, what fixtures it takes, its mark, and the kind of database."""
    if item.get_closest_marker("slow") is not None:
        return False
    if not may_be_quick(item.path) or _HEAVY_FIXTURES & set(getattr(item, "fixturenames", ())):
        return False
    call = getattr(item, "callspec", None)
    return call is None or "postgresql" not in call.params.values()


def may_be_quick(file: Path) -> bool:
    """Whether a test in this file can be quick, as far as what it imports tells."""
    return not _is_heavy(file)


@cache
def _is_heavy(file: Path) -> bool:
    """Whether it imports what starts a program or a model, itself or through another module of the tests."""
    if _STARTERS.search(file.read_text("utf-8")) is not None:
        return True
    for name in _IMPORT.findall(file.read_text("utf-8")):
        if name.partition(".")[0] in _HEAVY_PACKAGES or name in _HEAVY_MODULES:
            return True
        module = (_TESTS.parent / name.replace(".", "/")).with_suffix(".py")
        if name.startswith("tests.") and not name.endswith(".conftest") and _is_heavy(module):
            return True
    return False
