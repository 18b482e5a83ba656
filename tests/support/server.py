"""Starts the real server on a separate home."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.homes import ORGANIZATION, place_database
from tests.support.prepared import PreparedProcess, forking

from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore
from aquilon.settings import DEFAULT_MODEL

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class RunningServer:
    url: str
    """``http://127.0.0.1:PORT``"""
    api_key: str
    login_link: str
    """Signs in once."""
    pid: int
    home: Path
    process: subprocess.Popen[str] | PreparedProcess
    organization: str = ORGANIZATION
    """Whose key and link these are."""

    @property
    def log(self) -> str:
        """The server's standard error so far."""
        return (self.home / "stderr.log").read_text()

    def stop(self, seconds: float = 15.0) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def prepare_home(home: Path, model_file: Path) -> None:
    """Place the model file in the home's store, under the default model's name, as a pull leaves it."""
    shutil.copytree(_pulled(model_file), home / "models", copy_function=_link_or_copy)


@cache
def _pulled(model_file: Path) -> Path:
    """A store that has pulled the file: it tries the model out, which takes more than half a second."""
    folder = Path(tempfile.mkdtemp(prefix="aquilon-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with forking():
        pull(str(model_file), ModelStore(folder), name=DEFAULT_MODEL)
    return folder


def _link_or_copy(source: str, target: str) -> None:
    """Weights are never written to."""
    if source.endswith(".gguf"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def start_server(
    home: Path, *, environment: Mapping[str, str] | None = None, until: str = "Ready", anew: bool = False
) -> RunningServer:
    """A server process on a free port; returns when it has made the report named by ``until``.

    Where the home has no database it gets a migrated one: `tests/cli/test_up.py` starts on homes without.
    The process is forked from one that has imported the program, unless ``anew``: where it is to be as small as
    a new one, or libraries read the environment or the clock while they are imported.
    """
    environment = environment or {}
    variables = {key: value for key, value in os.environ.items() if not key.startswith("AQUILON_")}
    variables |= {"AQUILON_HOME": str(home), "AQUILON_HOST": "127.0.0.1", "AQUILON_PORT": "0"}
    variables |= {"AQUILON_ORGANIZATION": ORGANIZATION, **environment}
    home.mkdir(parents=True, exist_ok=True)
    if "AQUILON_DATABASE_URL" not in variables:
        place_database(home)
    process: subprocess.Popen[str] | PreparedProcess
    with (home / "stderr.log").open("w") as errors:
        if anew:
            command = [sys.executable, "-m", "tests.support.serve"]
            process = subprocess.Popen(
                command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        else:
            process = PreparedProcess("serve", folder=ROOT, variables=variables, stderr=errors)
    assert process.stdout is not None
    first_start: dict[str, Any] = {}
    for line in process.stdout:
        report = json.loads(line)
        if report["report"] == "FirstStart":
            first_start = report
        if report["report"] == until:
            accounts = first_start.get("accounts", {})
            return RunningServer(
                url=report["url"],
                api_key=accounts.get("api_key", ""),
                login_link=first_start.get("login_link", ""),
                pid=process.pid,
                home=home,
                process=process,
            )
    status = process.wait()
    raise RuntimeError(f"The server ended with {status}: {(home / 'stderr.log').read_text()[-2000:]}")
