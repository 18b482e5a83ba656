"""Starting the real server on a home of its own, as several parts of the suite need it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore
from aquilon.settings import DEFAULT_MODEL

ORGANIZATION = "Example House"
"""What the servers of tests call the organization that runs them."""
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
    process: subprocess.Popen[str]

    @property
    def log(self) -> str:
        """What the server wrote on standard error so far."""
        return (self.home / "stderr.log").read_text()

    def stop(self, seconds: float = 15.0) -> int:
        """SIGTERM, and the exit status."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def prepare_home(home: Path, model_file: Path) -> None:
    """A store with the default model under its own name."""
    pull(str(model_file), ModelStore(home / "models"), name=DEFAULT_MODEL)


def start_server(home: Path, *, environment: Mapping[str, str] | None = None, until: str = "Ready") -> RunningServer:
    """A server process on a free port; returns when it has made the report named by ``until``."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("AQUILON_")}
    variables |= {"AQUILON_HOME": str(home), "AQUILON_HOST": "127.0.0.1", "AQUILON_PORT": "0"}
    variables |= {"AQUILON_ORGANIZATION": ORGANIZATION, **(environment or {})}
    home.mkdir(parents=True, exist_ok=True)
    errors = (home / "stderr.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.serve"],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    errors.close()
    assert process.stdout is not None
    first: dict[str, Any] = {}
    for line in process.stdout:
        report = json.loads(line)
        if report["report"] == "FirstStart":
            first = report
        if report["report"] == until:
            accounts = first.get("accounts", {})
            return RunningServer(
                url=report["url"],
                api_key=accounts.get("api_key", ""),
                login_link=first.get("login_link", ""),
                pid=process.pid,
                home=home,
                process=process,
            )
    status = process.wait()
    raise RuntimeError(f"The server ended with {status}: {(home / 'stderr.log').read_text()[-2000:]}")
