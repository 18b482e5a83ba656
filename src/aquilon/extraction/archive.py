"""Zip archives, as office documents are, checked before a library opens them.

Nothing that an archive declares is believed: each entry is unpacked here once, block by
block, and what is more than the limits allow is never kept.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

from aquilon.extraction.document import Unreadable
from aquilon.extraction.limits import Limits

_BLOCK = 1 << 18
_LOCAL_HEADER_BYTES = 30
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MOST_PART_BYTES = 150 * 2**20
"""Of an XML part, whose tree takes several times as much memory."""
_DECLARATIONS = tuple("<!ENTITY".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
_XML = re.compile(r"\.(xml|rels|rdf|vml|xhtml)$", re.IGNORECASE)


def check_archive(path: Path, limits: Limits) -> None:
    """Raises Unreadable for a bomb, a damaged or an encrypted archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > limits.entries:
                raise _bomb(f"has {len(entries):,} entries; at most {limits.entries:,}", limits.entries, len(entries))
            declared = sum(entry.file_size for entry in entries)
            if declared > limits.unpacked_bytes:
                raise _bomb(
                    f"has {declared:,} bytes when it is unpacked; at most {limits.unpacked_bytes:,}",
                    limits.unpacked_bytes,
                    declared,
                )
            _check_places(entries)
            for entry in entries:
                _check_entry(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise Unreadable("damaged", f"This file is damaged: its archive can't be unpacked ({error})") from None


def _check_places(entries: list[zipfile.ZipInfo]) -> None:
    """Entries that share bytes unpack to far more than the file has."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise Unreadable(
                "bomb", f"This file is a bomb: its entry {entry.filename[:80]!r} overlaps the one before, as none may"
            )
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size


def _check_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    name = entry.filename[:80]
    if entry.flag_bits & 0x1:
        raise Unreadable("encrypted", "This file is encrypted with a password: save it without one")
    if entry.compress_type not in _METHODS:
        raise Unreadable("damaged", f"This file is damaged: its entry {name!r} is packed in an unknown way")
    is_xml = bool(_XML.search(entry.filename))
    if is_xml and entry.file_size > _MOST_PART_BYTES:
        message = f"has a part {name!r} of {entry.file_size:,} bytes; at most {_MOST_PART_BYTES:,}"
        raise _bomb(message, _MOST_PART_BYTES, entry.file_size)
    with archive.open(entry) as part:
        kept = b""
        while block := part.read(_BLOCK):  # ends at the declared size; a wrong checksum raises
            if is_xml and any(declaration in kept + block for declaration in _DECLARATIONS):
                raise Unreadable(
                    "bomb", f"This file declares XML entities in {name!r}, as bombs do and office programs don't"
                )
            kept = block[-16:]


def _bomb(excess: str, limit: int, value: int) -> Unreadable:
    return Unreadable("bomb", f"This file {excess} are allowed", {"limit": limit, "value": value})
