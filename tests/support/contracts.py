"""The paths of OpenAI's and Mistral's contracts, and which of them are served here."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import openai
import yaml
from fastapi.routing import APIRoute
from tests.support.server import ROOT

from aquilon.api.all_routes import ROUTES

PAGE = ROOT / "docs" / "compatibility.md"
CONTRACTS = {
    "OpenAI": ROOT / "tests" / "web" / "contracts" / "openai.txt",
    "Mistral": ROOT / "tests" / "web" / "contracts" / "mistral.txt",
}
HEADING = "## Every path of both contracts"

Operation = tuple[str, str]
"""A path that begins with ``/v1``, and a method in capitals."""


def openai_operations() -> set[Operation]:
    """What the installed client asks for."""
    call = re.compile(r'self\._(get|post|put|patch|delete|get_api_list)\(\s*(?:path_template\(\s*)?f?"(/[^"?]*)[^"]*"')
    operations = set()
    for file in (Path(openai.__file__).parent / "resources").rglob("*.py"):
        for method, path in call.findall(file.read_text(encoding="utf-8")):
            operations.add((f"/v1{path}", method.removesuffix("_api_list").upper()))
    return operations


def operations_of_document(file: Path) -> set[Operation]:
    """Of an OpenAPI document; Mistral's tells variants of one path apart behind a ``#``."""
    paths = yaml.safe_load(file.read_text(encoding="utf-8"))["paths"]
    methods = {"get", "post", "put", "patch", "delete"}
    return {
        (path.partition("#")[0], method.upper()) for path, each in paths.items() for method in each if method in methods
    }


def write(file: Path, operations: Iterable[Operation]) -> None:
    file.write_text(
        "".join(f"{path} {' '.join(methods)}\n" for path, methods in _by_path(operations)), encoding="utf-8"
    )


def read(file: Path) -> set[Operation]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return {(path, method) for path, *methods in map(str.split, lines) for method in methods}


def served() -> set[Operation]:
    """The route table, parameters without their names."""
    operations = set()
    for route in (route for each in ROUTES for route in each.router.routes):
        assert isinstance(route, APIRoute)
        operations |= {(nameless(route.path), method) for method in route.methods}
    return operations


def nameless(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def family(path: str) -> str:
    return path.split("/")[2]


def path_section() -> str:
    """The page's last section, in Markdown."""
    lines, here = [HEADING], served()
    lines += ["", "Written by `scripts/compatibility-paths` from the route table; a test holds it to that."]
    for contract, file in CONTRACTS.items():
        operations = read(file)
        there = {(path, method) for path, method in operations if (nameless(path), method) in here}
        lines += ["", f"### {contract}: served", ""]
        lines += _wrapped("", there)
        lines += ["", f"### {contract}: not there", ""]
        missing = defaultdict(set)
        for path, method in operations - there:
            missing[family(path)].add((path, method))
        for name in sorted(missing):
            lines += _wrapped(f"- **{name}**: ", missing[name])
    return "\n".join(lines) + "\n"


def replace_section(page: str, section: str) -> str:
    return page.partition(HEADING)[0] + section


def _wrapped(begin: str, operations: set[Operation]) -> list[str]:
    text = begin + " · ".join(f"`{path}` {' '.join(methods)}" for path, methods in _by_path(operations))
    return textwrap.wrap(
        text, 130, break_long_words=False, break_on_hyphens=False, subsequent_indent="  " if begin else ""
    )


def _by_path(operations: Iterable[Operation]) -> Iterator[tuple[str, list[str]]]:
    methods = defaultdict(set)
    for path, method in operations:
        methods[path].add(method)
    for path in sorted(methods):
        yield path, sorted(methods[path])
