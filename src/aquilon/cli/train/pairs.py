"""``aquilon train pairs``: preference pairs from votes in the chat."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aquilon.cli.options import AsJson


def pairs(
    export: Annotated[
        list[Path], typer.Argument(metavar="EXPORT.zip…", help="Archives from the chat page's settings.")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="PAIRS.jsonl", help="The file to write.", dir_okay=False)],
    as_json: AsJson = False,
) -> None:
    """Make preference pairs of the votes in people's own archives.

    A pair has an answer that was rated up and another one to the same
    question that was rated down, or is whole and was not rated. Only votes
    count whose person agreed to training. On the server's own machine,
    `aquilon conversations preferences` writes the pairs of all people.

    \b
    Examples:
      aquilon train pairs my-data.zip --out pairs.jsonl
      aquilon train dpo --model smollm2-135m --data pairs.jsonl --lora 16 --out run
    """
    import json

    from aquilon.chat.archived_pairs import archived_pairs
    from aquilon.cli.errors import CommandError
    from aquilon.cli.output import print_json
    from aquilon.wording import counted

    partial, number = out.with_name(out.name + ".partial"), 0
    try:
        with partial.open("w", encoding="utf-8") as file:
            for path in export:
                for pair in archived_pairs(path):
                    file.write(json.dumps(pair.as_row("trl"), ensure_ascii=False) + "\n")
                    number += 1
        if not number:
            raise CommandError(
                "There are no pairs: two answers to one question are needed, of which one was rated up by a person who "
                "agreed to training"
            )
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    if as_json:
        print_json({"file": str(out), "pairs": number})
    else:
        print(f"{counted(number, 'pair')} written to {out}")
