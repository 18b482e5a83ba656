"""The checks of ``aquilon doctor``: one function for each subject, with a finding and, where needed, advice."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from aquilon.settings import DEFAULT_MODEL, Settings
from aquilon.wording import counted

_LITTLE_DISK = 2 * 10**9
_NO_DISK = 10 * 10**6
_LITTLE_MEMORY = 2 * 10**9


@dataclass(frozen=True)
class Check:
    name: str
    state: Literal["ok", "warn", "fail"]
    finding: str
    _: KW_ONLY
    advice: str = ""
    """What the operator can do; empty where nothing is wrong."""


def run_checks(settings: Settings) -> Iterator[Check]:
    """Every check's result, one after the other. A check that raises counts as failed."""
    for name, check in _CHECKS.items():
        try:
            yield check(settings)
        except Exception as error:
            yield Check(name, "fail", f"could not be checked: {type(error).__name__}: {error}")


def _python(settings: Settings) -> Check:
    version = platform.python_version()
    finding = f"{version} at {sys.executable}"
    try:
        subprocess.run([sys.executable, "-m", "pip", "--version"], check=True, capture_output=True, timeout=30)
    except (subprocess.SubprocessError, OSError):
        advice = f"pip is missing, which pypi: models are pulled with: {sys.executable} -m ensurepip"
        return Check("python", "warn", finding, advice=advice)
    return Check("python", "ok", finding)


def _processor(settings: Settings) -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    flags: set[str] = set()
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            key, _, value = (part.strip() for part in line.partition(":"))
            if key == "model name":
                model = value
            elif key in ("flags", "Features"):
                flags |= set(value.split())
    helpful = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
    have = [flag for flag in helpful if flag in flags]
    return Check(
        "processor", "ok", f"{model}, {counted(cores, 'core')}, {' '.join(have) or 'no vector extension known to help'}"
    )


def _kernels(settings: Settings) -> Check:
    from aquilon.engine.kernels import library

    if library.available():
        instructions = library.instruction_set()
        if instructions == "portable":
            advice = "Nothing: this processor has neither AVX2 nor AVX-512; answers come slowly"
            return Check("kernels", "warn", "native, in plain C", advice=advice)
        return Check("kernels", "ok", f"native, for {instructions}")
    reason = library.unavailable_reason() or "they don't load"
    advice = "All works with torch's, slower. From a checkout, `make install` builds them where there is a C compiler"
    return Check("kernels", "warn", f"native kernels are not used: {reason}", advice=advice)


def _torch(settings: Settings) -> Check:
    code = (
        "import torch; c = torch.cuda; "
        "print(torch.__version__, torch.get_num_threads(), c.get_device_name() if c.is_available() else '', sep='\\t')"
    )
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return Check(
            "torch", "fail", "takes more than two minutes to load", advice="The disk may be very slow, or full"
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Check(
            "torch", "fail", f"does not load: {last}", advice=f"Install it again: {sys.executable} -m pip install torch"
        )
    version, threads, device = done.stdout.rstrip("\n").split("\t")
    return Check(
        "torch",
        "ok",
        f"{version}, {counted(int(threads), 'thread')}, {f'GPU {device}' if device else 'no GPU: runs on the CPU'}",
    )


def _memory(settings: Settings) -> Check:
    from aquilon.checkpoints.arrival import size_text
    from aquilon.checkpoints.suggest import machine_memory, suggest

    total = machine_memory()
    best = suggest(total)
    finding = f"{size_text(total)}, enough for models up to {best[0].title}" if best else size_text(total)
    if total < _LITTLE_MEMORY:
        return Check("memory", "warn", finding, advice="The default model needs 1.3 GB; larger ones won't fit here")
    return Check("memory", "ok", finding)


def _home(settings: Settings) -> Check:
    from aquilon.cli.homes import nearest_home
    from aquilon.web.running import others_who_read

    home = settings.home
    if not home.exists():
        parent = next(folder for folder in home.parents if folder.exists())
        if not os.access(parent, os.W_OK):
            advice = "Make it and give it to this user, or choose another with --home or AQUILON_HOME"
            return Check("home", "fail", f"{home} can't be made: {parent} is not writable", advice=advice)
        if (nearest := nearest_home(settings)) is not None:
            return Check("home", "warn", f"there is no {home}", advice=f"--home {nearest}, or `aquilon up` makes it")
        return Check("home", "ok", f"{home}, made at the first start")
    if not home.is_dir():
        return Check("home", "fail", f"{home} is a file", advice="Remove it, or choose another home with --home")
    try:
        with tempfile.NamedTemporaryFile(dir=home):
            pass
    except OSError as error:
        advice = f"chown or chmod it for this user ({os.geteuid()}), or choose another with --home"
        return Check("home", "fail", f"{home} can't be written: {error.strerror}", advice=advice)
    if home.stat().st_mode & 0o022:
        return Check("home", "warn", f"{home} can be written by other users", advice=f"chmod go-rwx {home}")
    if readers := others_who_read(home):
        return Check("home", "warn", f"{home} can be read by {readers}", advice=f"chmod go-rwx {home}")
    return Check("home", "ok", str(home))


def _disk(settings: Settings) -> Check:
    from aquilon.checkpoints.arrival import size_text
    from aquilon.checkpoints.store import ModelStore

    store = ModelStore(settings.models_folder)
    free = store.free_bytes()
    finding = f"{size_text(free)} free for {settings.home}"
    if free < _NO_DISK:
        advice = "Nothing can be saved: free some space, remove a model, or move the home to a larger disk"
        return Check("disk", "fail", f"full: {finding}", advice=advice)
    if partial := store.unfinished():
        names = ", ".join(f"{name} ({size_text(size)})" for name, size in partial.items())
        advice = "Pull again to go on, or aquilon models remove NAME"
        return Check("disk", "warn", f"{finding}; unfinished pulls: {names}", advice=advice)
    if free < _LITTLE_DISK:
        return Check(
            "disk", "warn", finding, advice="Free some space, remove a model, or move the home to a larger disk"
        )
    return Check("disk", "ok", finding)


def _port(settings: Settings) -> Check:
    from aquilon.cli.local_server import process_on_port
    from aquilon.web.running import running_server

    server = running_server(settings.home)
    if server is not None:
        finding = f"runs at {server.url} (process {server.pid})"
        reason = _not_ready(server.url)
        if reason:
            return Check("server", "warn", f"{finding} and can't answer: {reason}", advice="Its log says more")
        return Check("server", "ok", finding)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            holder = process_on_port(settings.port)
            by = f" by {holder[1]} (process {holder[0]})" if holder else f": {error.strerror}"
            finding = f"not running; port {settings.port} is taken{by}"
            return Check(
                "server", "warn", finding, advice=f"aquilon up --port {settings.port + 1}, or stop what uses it"
            )
    return Check("server", "ok", f"not running; port {settings.port} on {settings.host} is free")


def _not_ready(url: str) -> str:
    """Why a server that runs can't answer requests; empty if it can."""
    import httpx

    try:
        return str(httpx.get(f"{url}/ready", timeout=10, trust_env=False).json()["reason"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return f"no answer at /ready ({type(error).__name__}: {error})"


def _database(settings: Settings) -> Check:
    import asyncio
    import sqlite3

    from aquilon.storage.backup import check_place, sqlite_file
    from aquilon.storage.migrations import REVISIONS
    from aquilon.storage.upgrade import DatabaseError

    try:
        asyncio.run(check_place(settings))
    except DatabaseError as error:
        return Check(
            "database", "fail", str(error), advice="Start the database's server, or put AQUILON_DATABASE_URL right"
        )
    file = sqlite_file(settings)
    if file is None:
        return Check("database", "ok", "the server of AQUILON_DATABASE_URL answers")
    if not file.exists():
        return Check("database", "ok", "made at the first start")
    if not os.access(file, os.R_OK):
        advice = f"chown or chmod it for this user ({os.geteuid()}), or choose another home with --home"
        return Check("database", "fail", f"{file} can't be read by this user", advice=advice)
    advice = f"Stop the server and put back a copy from before, or move {file} away to begin anew"
    # Even to read, SQLite makes files beside the database, unless it is told that nobody writes.
    beside = Path(f"{file}-wal")
    at_rest = not os.access(file.parent, os.W_OK) and not (beside.exists() and beside.stat().st_size)
    try:
        with sqlite3.connect(f"{file.as_uri()}?mode=ro{'&immutable=1' * at_rest}", uri=True) as database:
            problems = database.execute("PRAGMA quick_check(3)").fetchall()
            users = database.execute("SELECT count(*) FROM users").fetchone()[0]
            keys = database.execute("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL").fetchone()[0]
            revision = database.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        database.close()
    except sqlite3.Error as error:
        if not os.access(file.parent, os.W_OK):
            finding = f"{file} can't be checked in a read-only home while a server may use it: {error}"
            return Check("database", "warn", finding, advice="Run the command as the user whom the home belongs to")
        return Check("database", "fail", f"{file} can't be read: {error}", advice=advice)
    if problems != [("ok",)]:
        return Check("database", "fail", f"{file} is damaged: {problems[0][0]}", advice=advice)
    if revision not in REVISIONS:
        finding = f"{file} has schema {revision}, written by a newer Aquilon; this version knows up to {REVISIONS[-1]}"
        return Check("database", "fail", finding, advice="Start the newer version, or use another --home")
    return Check("database", "ok", f"{file}, whole; {counted(users, 'user')}, {counted(keys, 'API key')}")


def _models(settings: Settings) -> Check:
    from aquilon.checkpoints.store import ModelDamaged, ModelStore

    store = ModelStore(settings.models_folder)
    models = store.list()
    for name in store.unreadable():
        advice = f"Pull it again, or aquilon models remove {name}"
        return Check("models", "fail", f"the manifest of '{name}' can't be read", advice=advice)
    for model in models:
        try:
            store.verify(model.name)
        except ModelDamaged as error:
            return Check("models", "fail", str(error), advice=f"aquilon pull {model.source}")
    if not models:
        return Check("models", "ok", f"none yet; `aquilon up` pulls {DEFAULT_MODEL}")
    return Check(
        "models", "ok", f"{len(models)}, every file as it was pulled: {', '.join(model.name for model in models)}"
    )


def _page(settings: Settings) -> Check:
    import aquilon.web

    index = Path(aquilon.web.__file__).with_name("static") / "index.html"
    if index.is_file():
        return Check("page", "ok", "the browser's files are built; node is not needed")
    advice = "From a checkout, `make install` builds them; a wheel brings them along"
    node = shutil.which("node") or "none"
    return Check(
        "page", "warn", f"the browser's files are not built (node: {node}); API and terminal work", advice=advice
    )


_CHECKS: dict[str, Callable[[Settings], Check]] = {
    "python": _python,
    "processor": _processor,
    "kernels": _kernels,
    "torch": _torch,
    "memory": _memory,
    "home": _home,
    "disk": _disk,
    "server": _port,
    "database": _database,
    "models": _models,
    "page": _page,
}
