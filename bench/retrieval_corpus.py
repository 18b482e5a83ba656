"""Real documents in five languages, put together out of public texts, and the questions about them.

Beside this file, ``retrieval_questions.jsonl`` has the questions, which were written for it: each
names its document, the line of its paragraph in the document's source, counted from 1, and the beginning of the
paragraph's SHA-256. It has none of the texts, which are elsewhere:

- ``novels/*.jsonl.xz``: the European Literary Text Collection (ELTeC, COST Action CA16204), CC BY 4.0;
- ``prose/*-web-docs.txt.xz``: MDN's documentation in other languages, CC BY-SA 2.5; ``fra-python``, ``spa-python``: the
  documentation of Python, PSF and CC0; ``fra-public-services``: sheets of service-public.fr, Licence Ouverte 2.0.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import docx

Language = Literal["en", "fr", "de", "es", "it"]
LANGUAGES: tuple[Language, ...] = ("en", "fr", "de", "es", "it")
Format = Literal["txt", "md", "html", "docx"]

_LEAST_PARAGRAPHS = 60
_LEAST_CHARACTERS = 18_000


@dataclass(frozen=True)
class Source:
    """A document is a part of a source: its paragraphs from a line on, until they are enough."""

    file: str
    first: int
    format: Format
    novel: str | None = None
    """Its id, where the file has one in each line."""


_ENGLISH, _FRENCH, _GERMAN = "novels/eng.jsonl.xz", "novels/fra.jsonl.xz", "novels/deu.jsonl.xz"
_SPANISH, _ITALIAN = "novels/spa.jsonl.xz", "novels/ita.jsonl.xz"
_SERVICES = "prose/fra-public-services.txt.xz"
SOURCES: Mapping[str, Source] = {
    "en-alice": Source(_ENGLISH, 60, "txt", "ENG18652_Carroll"),
    "en-amulet": Source(_ENGLISH, 30, "docx", "ENG19060_Nesbit"),
    "en-holmes": Source(_ENGLISH, 20, "html", "ENG18900_Doyle"),
    "en-machine": Source(_ENGLISH, 60, "txt", "ENG18952_Wells"),
    "en-nobody": Source(_ENGLISH, 20, "docx", "ENG18920_Grossmith"),
    "en-steps": Source(_ENGLISH, 20, "html", "ENG19150_Buchan"),
    "fr-droits": Source(_SERVICES, 120_000, "html"),
    "fr-famille": Source(_SERVICES, 60_000, "txt"),
    "fr-python": Source("prose/fra-python.txt.xz", 2000, "md"),
    "fr-taxes": Source(_SERVICES, 2000, "docx"),
    "fr-verne": Source(_FRENCH, 20, "docx", "FRA04001_Verne"),
    "fr-web": Source("prose/fra-web-docs.txt.xz", 2000, "md"),
    "de-birnbaum": Source(_GERMAN, 20, "txt", "DEU051"),
    "de-heidi": Source(_GERMAN, 20, "docx", "DEU052"),
    "de-http": Source("prose/deu-web-docs.txt.xz", 150_000, "html"),
    "de-netz": Source("prose/deu-web-docs.txt.xz", 60_000, "md"),
    "de-web": Source("prose/deu-web-docs.txt.xz", 2000, "md"),
    "es-guia": Source("prose/spa-web-docs.txt.xz", 20_000, "md"),
    "es-python": Source("prose/spa-python.txt.xz", 20_000, "txt"),
    "es-sombrero": Source(_SPANISH, 20, "docx", "SPA2005_Alarcon_ElSombreroDeTresPicos"),
    "es-trafalgar": Source(_SPANISH, 20, "html", "SPA2003_PerezGaldos_Trafalgar"),
    "es-web": Source("prose/spa-web-docs.txt.xz", 2010, "md"),
    "it-cuore": Source(_ITALIAN, 20, "docx", "IT18860_De-Amicis_Cuore"),
    "it-guida": Source("prose/ita-web-docs.txt.xz", 8000, "html"),
    "it-pinocchio": Source(_ITALIAN, 20, "txt", "IT18831_Collodi_Le-avventure-di-Pinocchio"),
    "it-sposi": Source(_ITALIAN, 20, "txt", "IT18420_Manzoni_Promessi-Sposi"),
    "it-web": Source("prose/ita-web-docs.txt.xz", 1000, "md"),
}
"""By name, which begins with the document's language."""


@dataclass(frozen=True)
class Written:
    """A document as a file."""

    name: str
    content: bytes
    paragraphs: Mapping[int, str]
    """By their line in the source."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    question: str
    language: Language
    """Of the question: some are in another language than the document."""
    document: str
    paragraph: str
    """Which has the answer."""

    @property
    def of(self) -> str:
        """The document's language."""
        return self.document[:2]


def documents(data: Path, languages: Sequence[str] = LANGUAGES) -> dict[str, Written]:
    return {name: _written(data, name, source) for name, source in SOURCES.items() if name[:2] in languages}


def questions(written: Mapping[str, Written]) -> list[Asked]:
    """The questions about these documents. Raises ValueError if a source is another one than was asked about."""
    asked = []
    for line in Path(__file__).with_name("retrieval_questions.jsonl").read_text().splitlines():
        one = json.loads(line)
        if (document := written.get(one["document"])) is None:
            continue
        paragraph = document.paragraphs.get(one["line"], "")
        if not hashlib.sha256(paragraph.encode()).hexdigest().startswith(one["paragraph"]):
            raise ValueError(f"Line {one['line']} of {SOURCES[one['document']].file} isn't what its question is about")
        asked.append(
            Asked(question=one["question"], language=one["language"], document=one["document"], paragraph=paragraph)
        )
    return asked


def _written(data: Path, name: str, source: Source) -> Written:
    lines = _novel(data / source.file)[source.novel] if source.novel else _lines(data / source.file)
    paragraphs: dict[int, str] = {}
    size = 0
    for number, line in enumerate(lines[source.first - 1 :], source.first):
        if line.strip():
            paragraphs[number] = line.strip()
            size += len(line.strip())
        if len(paragraphs) >= _LEAST_PARAGRAPHS and size >= _LEAST_CHARACTERS:
            break
    return Written(f"{name}.{source.format}", _content(paragraphs, source.format), paragraphs)


def _content(paragraphs: Mapping[int, str], format_: Format) -> bytes:
    """As a file with these paragraphs, with a blank line between them but for the items of a list."""
    texts = list(paragraphs.values())
    if format_ == "docx":
        file, office = io.BytesIO(), docx.Document()
        for text in texts:
            office.add_paragraph(text)
        office.save(file)
        return file.getvalue()
    if format_ == "html":
        body = "\n".join(f"<p>{html.escape(text)}</p>" for text in texts)
        return f"<!doctype html>\n<html><body><main>\n{body}\n</main></body></html>\n".encode()
    parts = [texts[0]]
    for before, text in pairwise(texts):
        follows = before.startswith("- ") and text.startswith("- ")
        parts += ["\n" if follows else "\n\n", text]
    return ("".join(parts) + "\n").encode()


@cache
def _lines(file: Path) -> list[str]:
    return lzma.decompress(file.read_bytes()).decode().split("\n")


@cache
def _novel(file: Path) -> dict[str, list[str]]:
    wanted = {source.novel for source in SOURCES.values()}
    novels = (json.loads(line) for line in lzma.decompress(file.read_bytes()).splitlines())
    return {novel["id"]: novel["text"].split("\n") for novel in novels if novel["id"] in wanted}
