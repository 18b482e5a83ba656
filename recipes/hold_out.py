"""Divide the text: most is trained on, some of each language and kind is kept for measuring.

    python hold_out.py TEXT --train out/text --held-out out/held-out

TEXT holds novels/ and prose/ with files named for their language, such as fra.jsonl.xz and fra-law.txt.xz. Every
twentieth novel is held out whole, its first 60,000 characters are measured; of other text every fiftieth piece of
16 KB. Law repeats itself, so a held-out piece of it would say little: all of it is trained on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from aquilon.evaluation.languages import language_of
from aquilon.training.data.documents import read_documents, source_files

_EVERY = {"novels": 20, "prose": 50}
_PIECE_BYTES = 2**14
_MEASURED_CHARACTERS = 60_000
_MOST_BYTES = 250_000
"""Of a language and kind: more would make measuring slow and hardly more exact."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    arguments = parser.parse_args()
    divide(arguments.text, train=arguments.train, held_out=arguments.held_out)


def divide(text: Path, *, train: Path, held_out: Path) -> None:
    """``held_out`` appears last: where it is, all is done."""
    measured: dict[str, list[str]] = {}
    for kind, every in _EVERY.items():
        (train / kind).mkdir(parents=True, exist_ok=True)
        for path in source_files([text / kind]):
            language = language_of(path)
            if language is None:
                raise SystemExit(f"{path}: the name doesn't say the language, as fra-law.txt does")
            has_held_out = "law" not in path.name
            with (train / kind / f"{path.name.partition('.')[0]}.jsonl").open("w", encoding="utf-8") as out:
                for number, document in enumerate(read_documents(path, refuse=print, piece_bytes=_PIECE_BYTES), 1):
                    if has_held_out and number % every == 0:
                        measured.setdefault(f"{language}-{kind}", []).append(document.text[:_MEASURED_CHARACTERS])
                    else:
                        out.write(_line(language, document.text))
    part = held_out.with_name(f"{held_out.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    for name, texts in measured.items():
        _write(part / f"{name}.jsonl", name.partition("-")[0], texts)
    part.rename(held_out)


def _write(path: Path, language: str, texts: list[str]) -> None:
    """As many whole texts as there is room for, spread over all of them."""
    step = max(1, round(sum(len(text.encode()) for text in texts) / _MOST_BYTES))
    path.write_text("".join(_line(language, text) for text in texts[::step]), encoding="utf-8")


def _line(language: str, text: str) -> str:
    return json.dumps({"language": language, "text": text}, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
