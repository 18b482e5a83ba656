"""XML parts out of an office document's archive, parsed without entities and without network."""

from __future__ import annotations

import posixpath
import zipfile
from typing import Any

from lxml import etree

from aquilon.extraction.document import Unreadable

_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"


def parsed(data: bytes) -> Any:
    """The root element. Raises lxml.etree.XMLSyntaxError."""
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def part(archive: zipfile.ZipFile, name: str) -> Any:
    """The root of a part. Raises Unreadable where there is none."""
    try:
        return parsed(archive.read(name))
    except KeyError:
        raise Unreadable("damaged", f"This file is damaged: its part {name[:80]!r} is missing") from None


def related(archive: zipfile.ZipFile, name: str) -> dict[str, tuple[str, str]]:
    """By id, the last word of each relationship's type and the part that it leads to, for those inside the archive."""
    folder, file = posixpath.split(name)
    relations = f"{folder}/_rels/{file}.rels"
    if relations not in archive.NameToInfo:
        return {}
    return {
        relation.get("Id", ""): (
            relation.get("Type", "").rpartition("/")[2],
            posixpath.normpath(posixpath.join("/" + folder, relation.get("Target", ""))).lstrip("/"),
        )
        for relation in parsed(archive.read(relations)).iter(_RELATIONSHIP)
        if relation.get("TargetMode") != "External"
    }
