"""npm's ``oidc-provider`` for the tests: installed once into the user's cache, started on loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from tests.support.cache import cache_for_one
from tests.support.frontend import build_script

VERSION = "9.13.3"
CLIENT_ID = "aquilon"
CLIENT_SECRET = "a secret: with signs / % +"
PUBLIC_CLIENT_ID = "aquilon-public"

_PROGRAM = Path(__file__).with_suffix(".mjs")


@cache
def _installed() -> tuple[str, Path]:
    """Node, and a folder that has the package."""
    try:
        command, environment = build_script()._npm_command()
    except Exception as error:
        pytest.skip(f"node is missing: {error}")
    node = shutil.which("node", path=environment["PATH"])
    assert node is not None
    with cache_for_one() as cache:
        folder = cache / f"oidc-provider-{VERSION}"
        folder.mkdir(exist_ok=True)
        (cache / f"{os.getpid()}.mjs").write_bytes(_PROGRAM.read_bytes())
        (cache / f"{os.getpid()}.mjs").replace(folder / _PROGRAM.name)
        if (folder / "complete").exists():
            return node, folder
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        install = [*command, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
        completed = subprocess.run(
            [*install, f"oidc-provider@{VERSION}"], cwd=folder, env=environment, capture_output=True, text=True
        )
        if completed.returncode:
            pytest.skip(f"npm can't install oidc-provider: {completed.stderr[-300:]}")
        (folder / "complete").touch()
    return node, folder


@contextmanager
def openid_provider(*redirect_uris: str) -> Iterator[str]:
    """A provider whose clients may use these redirect URIs; yields its issuer."""
    node, folder = _installed()
    process = subprocess.Popen(
        [node, str(folder / _PROGRAM.name)],
        cwd=folder,
        env={**os.environ, "REDIRECT_URIS": json.dumps(redirect_uris)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["issuer"])
    finally:
        process.terminate()
        process.wait(10)


def sign_in_there(browser: httpx.Client, url: str, login: str, *, until: str) -> str:
    """Go through the provider's pages as ``login`` and return the address below ``until`` to which it redirects."""
    answer = browser.get(url)
    for _ in range(12):
        if answer.is_redirect:
            target = urljoin(str(answer.url), answer.headers["location"])
            if target.startswith(until):
                return target
            answer = browser.get(target)
            continue
        answer.raise_for_status()
        action = re.search(r'<form[^>]* action="([^"]+)"', answer.text)
        prompt = re.search(r'name="prompt" value="([a-z]+)"', answer.text)
        assert action is not None, answer.text[:1000]
        assert prompt is not None
        form = {"prompt": prompt[1]} | ({"login": login, "password": "any"} if prompt[1] == "login" else {})
        answer = browser.post(urljoin(str(answer.url), action[1]), data=form)
    raise AssertionError(f"The provider's pages led nowhere: {answer.url}")
