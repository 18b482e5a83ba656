"""The project's own recipes: their jobs can be read, and their conversations are made from what the sources hold."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from tests.support.server import ROOT

from aquilon.evaluation.task_files import TaskFinder
from aquilon.training.protocol import job_from

RECIPES = ROOT / "recipes"


def script(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, RECIPES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def conversations() -> ModuleType:
    return script("conversations.py")


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [("nano/pretrain.toml", "pretrain"), ("nano/sft.toml", "sft"), ("european/continue.toml", "pretrain")],
)
def test_a_recipe_is_a_job(recipe: str, kind: str) -> None:
    fields = tomllib.loads((RECIPES / recipe).read_text(encoding="utf-8"))
    job_from({"kind": kind, **fields}, where=recipe)


def test_quizzes_become_questions_and_answers_by_language(conversations: ModuleType, tmp_path: Path) -> None:
    question = {"question": "Qui ?", "propositions": ["Moi", "Toi"], "réponse": "Moi", "anecdote": "C'est  vrai."}
    both = {"fr": {"débutant": [question]}, "nl": {"beginner": [question]}}
    (tmp_path / "openquizzdb_1.json").write_text('{"difficulté": 2 / 5, "quizz": ' + json.dumps(both) + "}")
    (tmp_path / "openquizzdb_2.json").write_bytes('{"quizz": {"débutant": []}}'.encode("cp1252"))
    (tmp_path / "openquizzdb_3.json").write_text('{"quizz": "un "mot" de trop"}')
    [line] = conversations.quiz_conversations(tmp_path)
    assert line["language"] == "fr"
    assert [message["content"] for message in line["messages"]] == ["Qui ?", "Moi. C'est vrai."]


def test_multiple_choice_is_made_of_held_out_quizzes_alone(conversations: ModuleType, tmp_path: Path) -> None:
    for number in range(40):
        question = {"question": f"Qui, {number} ?", "propositions": ["Moi", "Toi"], "réponse": "Moi"}
        quiz = {"quizz": {"fr": {"débutant": [question, {**question, "réponse": "Lui"}]}}}
        (tmp_path / f"openquizzdb_{number}.json").write_text(json.dumps(quiz))
    held_out = [number for number in range(40) if conversations.is_held_out(f"openquizzdb_{number}")]
    choices = list(conversations.quiz_choices(tmp_path))
    assert sorted(fields["question"] for _, fields in choices) == sorted(f"Qui, {number} ?" for number in held_out)
    conversations.write_quiz(tmp_path / "quiz", choices)
    [task] = TaskFinder(tmp_path / "quiz").present()
    assert (task.name, task.language) == ("quiz-fr", "fr")


def test_examples_of_commands_lose_their_marks(conversations: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "pages.fr" / "common" / "tar.md"
    page.parent.mkdir(parents=True)
    page.write_text(
        "# tar\n\n- Extrait une archive :\n\n`tar {{[-x|--extract]}} -f {{chemin/vers/a.tar}}`\n", encoding="utf-8"
    )
    [line] = conversations.command_conversations(tmp_path)
    assert line["language"] == "fr"
    assert line["messages"][1]["content"] == "```sh\ntar --extract -f chemin/vers/a.tar\n```"


def test_what_is_held_out_is_held_out_in_every_language(conversations: ModuleType) -> None:
    share = sum(conversations.is_held_out(f"source {number}") for number in range(2000)) / 2000
    assert 0.03 < share < 0.07


def test_what_the_smallest_model_is_measured_on_is_not_trained_on(tmp_path: Path) -> None:
    for kind in ("novels", "prose"):
        (tmp_path / "text" / kind).mkdir(parents=True)
    novels = [json.dumps({"text": f"Roman {number}. " + "Il pleut. " * 10_000}) for number in range(1, 41)]
    (tmp_path / "text" / "novels" / "fra.jsonl").write_text("\n".join(novels))
    lines = "".join(f"Absatz {number}: Es regnet.\n" for number in range(60_000))
    for name in ("deu-web-docs.txt", "deu-law.txt"):
        (tmp_path / "text" / "prose" / name).write_text(lines)
    script("hold_out.py").divide(tmp_path / "text", train=tmp_path / "train", held_out=tmp_path / "held-out")

    def texts(path: str) -> list[str]:
        return [json.loads(line)["text"] for line in (tmp_path / path).read_text().splitlines()]

    assert [text[:9] for text in texts("held-out/fr-novels.jsonl")] == ["Roman 20.", "Roman 40."]
    assert len(texts("train/novels/fra.jsonl")) == 38
    held_out = set("".join(texts("held-out/de-prose.jsonl")).splitlines())
    trained = set("".join(texts("train/prose/deu-web-docs.jsonl")).splitlines())
    assert 600 <= len(held_out) == 60_000 - len(trained)
    assert "".join(texts("train/prose/deu-law.jsonl")) == lines, "law is trained on whole"
