"""Every example in ``docs/guides`` runs, and the translations hold the same examples.

A guide's fenced blocks run in their order, against one real server with the default
model, if it names that, on a home and in a folder of the guide's own (a guide that runs
no ``aquilon`` changes nothing at the server, and shares one with other tests):

- ``sh`` runs in bash, which ends at the first failure; what it exports is there for all
  that follow. ``aquilon`` is the real command, a process that is forked from one which
  has imported it (``tests/support/prepared.py``), ``$AQUILON_HOME`` the server's home,
  ``$AQUILON_API_KEY`` its first key (which doesn't administer: make such a key with
  ``aquilon keys create --scope administration``). A line ``aquilon up …``, perhaps with
  ``NAME=value`` before it, starts the server anew, with those options and variables.
- ``python`` runs with the same variables; later blocks know the names of earlier ones.
- ``ts`` is type-checked and run by node; npm's ``openai`` is there.
- A file's name behind the language, as in ``json batch.jsonl``, writes the block to
  that file. ``aquilon.toml`` goes into the home, and the server starts anew.
- ``output`` behind the language, as in ``text output``, is what the block before
  printed; ``…`` stands for anything.
- Other blocks are shown only. So are those below a line ``<!-- not run: reason -->``.

``http://127.0.0.1:8080`` becomes the server's address and ``aq-…`` the first key. What a
guide writes of the world outside is in ``stand_ins.py``. The French guide has the same
blocks as the English one; comments may differ.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.docs.stand_ins import STAND_INS
from tests.support.guide import GuideRun, blocks
from tests.support.server import ROOT, prepare_home

from aquilon.settings import DEFAULT_MODEL

ENGLISH = sorted((ROOT / "docs" / "guides").glob("*.md"))
FRENCH = ROOT / "docs" / "fr" / "guides"
MOST_LINES = 130
SLOW = ("batch", "budgets", "conversations", "documents", "limits", "models", "people", "postgresql", "upstreams")
"""Guides whose examples start servers, or wait for what they begin."""


@pytest.mark.parametrize(
    "guide",
    [pytest.param(guide, marks=[pytest.mark.slow] if guide.stem in SLOW else []) for guide in ENGLISH],
    ids=lambda guide: guide.stem,
)
def test_every_example_runs(
    guide: Path, default_model_file: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    home, folder = tmp_path / "home", tmp_path / "folder"
    folder.mkdir()
    text = guide.read_text(encoding="utf-8")
    with ExitStack() as outside:
        replaced = {written: outside.enter_context(start()) for written, start in STAND_INS.items() if written in text}
        run = GuideRun(home, folder, replaced)
        examples = [block for block in blocks(guide) if block.runs]
        if any("aquilon " in block.text or block.name == "aquilon.toml" for block in examples):
            if DEFAULT_MODEL in text:
                prepare_home(home, default_model_file)
            else:
                run.variables["AQUILON_MODELS"] = "none"
            outside.callback(run.stop)
        else:
            run.use(request.getfixturevalue("server"))
        for block in examples:
            run.run(block)


def test_every_guide_is_there_in_french_with_the_same_examples() -> None:
    assert {guide.name for guide in ENGLISH} == {guide.name for guide in FRENCH.glob("*.md")}
    for guide in ENGLISH:
        ours, theirs = blocks(guide), blocks(FRENCH / guide.name)
        assert [block.code for block in ours] == [block.code for block in theirs], guide.name
        assert [block.runs for block in ours] == [block.runs for block in theirs], guide.name


@pytest.mark.parametrize("guide", [*ENGLISH, *FRENCH.glob("*.md")], ids=lambda guide: f"{guide.parts[-3]}-{guide.stem}")
def test_a_guide_is_short(guide: Path) -> None:
    assert len(guide.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
