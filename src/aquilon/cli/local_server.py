"""The server on this machine as other commands see it: its address, a key for it, and the process on its port."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aquilon.settings import Settings


_CHAT_KEY_FILE = "cli-key"


def page_url(settings: Settings) -> tuple[str, bool]:
    """The page's address, and whether a server runs there now."""
    from aquilon.web.running import running_server

    server = running_server(settings.home)
    return server.url if server else f"http://{settings.host}:{settings.port}", server is not None


def chat_key(settings: Settings, *, fresh: bool = False) -> str:
    """The key of `aquilon chat` on this home: made on first use, or if ``fresh``, and kept in a file of mode 0600."""
    import asyncio

    from aquilon.people.first_run import create_api_key
    from aquilon.storage import Database

    file = settings.home / _CHAT_KEY_FILE
    if file.is_file() and not fresh:
        return file.read_text().strip()

    async def create() -> str:
        database = await Database.open(settings, create=False)
        try:
            return await create_api_key(database, "aquilon chat, on this machine")
        finally:
            await database.close()

    key = asyncio.run(create())
    temporary = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as writing:
        writing.write(key + "\n")
    temporary.replace(file)
    return key


def process_on_port(port: int) -> tuple[int, str] | None:
    """Id and name of the process that listens on a TCP port of this machine; None where Linux doesn't say."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(descriptor) in sockets for descriptor in (process / "fd").iterdir()):
                return int(process.name), (process / "comm").read_text().strip()
        except OSError:  # another user's process, or one that just ended
            continue
    return None


def _listening_inodes(port: int) -> list[str]:
    inodes = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.is_file():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.append(fields[9])
    return inodes
