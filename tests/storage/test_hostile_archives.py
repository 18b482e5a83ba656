"""Archives that aren't backups are refused before they fill the disk or create links."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import pytest

from aquilon.people import first_run
from aquilon.settings import Settings
from aquilon.storage import Database, DatabaseError, restore
from aquilon.storage.backup import back_up
from aquilon.storage.migrations import REVISIONS

BOMB_BYTES = 64 * 2**20
Part = tuple[tarfile.TarInfo, BinaryIO | None]


class Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        size = min(len(buffer), self._left)
        buffer[:size] = bytes(size)
        self._left -= size
        return size


def file(name: str, content: bytes = b"") -> Part:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, io.BytesIO(content)


def zeros(name: str) -> Part:
    info = tarfile.TarInfo(name)
    info.size = BOMB_BYTES
    return info, io.BufferedReader(Zeros(BOMB_BYTES))


def link(name: str, target: str, kind: bytes) -> Part:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, None


def manifest(**members: int) -> Part:
    digest = hashlib.sha256(bytes(BOMB_BYTES)).hexdigest()
    parts = {name.replace("__", "/"): {"bytes": size, "sha256": digest} for name, size in members.items()}
    body = {
        "format": 1,
        "aquilon": "1",
        "made_at": 0,
        "revision": REVISIONS[-1],
        "database": "sqlite",
        "members": parts,
    }
    return file("manifest.json", json.dumps(body).encode())


def database() -> Part:
    return zeros("aquilon.db")


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    opened = await Database.open(Settings(home=tmp_path / "home"))
    await first_run.prepare_first_run(opened)
    await opened.close()
    return tmp_path / "home"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that the restore unpacks, since a failed restore removes the files again."""
    names: list[str] = []
    unpack = tarfile.TarFile.extractall

    def note_and_unpack(
        archive: tarfile.TarFile, path: str, members: Iterable[tarfile.TarInfo], **more: object
    ) -> None:
        names.extend(member.name for member in members)
        unpack(archive, path, members, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(tarfile.TarFile, "extractall", note_and_unpack)
    return names


def archive(path: Path, parts: Iterable[Part]) -> Path:
    with gzip.open(path, "wb", 1) as packed, tarfile.open(fileobj=packed, mode="w") as writing:  # type: ignore[call-overload]
        for info, content in parts:
            writing.addfile(info, content)
    return path


BOMBS: dict[str, Callable[[], list[Part]]] = {
    "a part that the manifest doesn't name": lambda: [manifest(), zeros("files/org_1/file_1")],
    "a part that is longer than the manifest says": lambda: [
        manifest(files__org_1__file_1=5),
        zeros("files/org_1/file_1"),
    ],
    "a database that is not SQLite": lambda: [manifest(**{"aquilon.db": BOMB_BYTES}), database()],
    "parts that no first version wrote": lambda: [zeros("anything")],
    "no database at all": lambda: [zeros("files/org_1/file_1")],
    "one part many times": lambda: [zeros("files/org_1/file_1"), zeros("files/org_1/../org_1/file_1")],
}


@pytest.mark.parametrize("parts", BOMBS.values(), ids=BOMBS)
def test_a_small_archive_that_unpacks_to_much_is_refused_before_it_is_written(
    home: Path, tmp_path: Path, written: list[str], parts: Callable[[], list[Part]]
) -> None:
    bomb = archive(tmp_path / "bomb.tar.gz", parts())
    assert bomb.stat().st_size < BOMB_BYTES / 50
    with pytest.raises(DatabaseError, match=r"not a backup|damaged"):
        restore.stage(Settings(home=home), bomb)
    assert written == []
    assert not restore.is_staged(Settings(home=home))


def test_an_archive_that_does_not_fit_on_the_disk_is_not_unpacked(
    home: Path, tmp_path: Path, written: list[str]
) -> None:
    info = tarfile.TarInfo("aquilon.db")
    info.size = (shutil.disk_usage(home).free + 2**30) // 512 * 512
    path = tmp_path / "huge.tar"
    with path.open("wb") as writing:
        writing.write(info.tobuf())
        writing.write(b"SQLite format 3\0")
        writing.truncate(info.size + 3 * 512)  # a hole, which takes no room here
    with pytest.raises(DatabaseError, match="make room first"):
        restore.stage(Settings(home=home), path)
    assert written == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_in_an_archive_is_refused_with_and_without_a_manifest(home: Path, tmp_path: Path, kind: bytes) -> None:
    inner = link("files/org_1/file_1", "../../secret-key", kind)
    for parts in ([inner], [manifest(files__org_1__file_1=0), inner]):
        with pytest.raises(DatabaseError, match="not a plain file"):
            restore.stage(Settings(home=home), archive(tmp_path / "links.tar.gz", parts))


async def test_a_valid_archive_is_restored_compressed_or_not_and_from_the_first_version(
    home: Path, tmp_path: Path
) -> None:
    settings = Settings(home=home)
    whole = await back_up(settings, tmp_path / "whole.tar")
    with gzip.open(tmp_path / "packed.tar.gz", "wb") as packed:
        packed.write(read(whole))
    with tarfile.open(whole) as reading, tarfile.open(tmp_path / "first.tar", "w") as writing:
        for member in reading.getmembers()[1:]:
            writing.addfile(member, reading.extractfile(member))
        folder = tarfile.TarInfo("files")
        folder.type = tarfile.DIRTYPE
        writing.addfile(folder)
    for name in ("whole.tar", "packed.tar.gz", "first.tar"):
        restore.stage(settings, tmp_path / name)
        await restore.complete(settings)
        opened = await Database.open(settings)
        assert await first_run.any_organization(opened)
        await opened.close()


def read(path: Path) -> bytes:
    return path.read_bytes()
