"""Make conversations in five languages out of free data: quizzes, and explained commands.

    git clone https://github.com/Zeuh/OpenQuizzDB        # CC BY-SA 4.0
    git clone https://github.com/tldr-pages/tldr         # CC BY 4.0
    python conversations.py --quizzes OpenQuizzDB/data --commands tldr --out conversations

writes train.jsonl and held-out.jsonl, lines of {"language", "source", "messages"}, and quiz/ with the held-out quizzes'
multiple choice as tasks of ``aquilon eval``. A quiz or a command is held out in all languages or in none, because its
languages are translations of each other.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "fr", "de", "es", "it")

_HELD_OUT = 20
"""One of so many quizzes and commands is held out."""

_CHOICES = {
    "en": "Choose one of these answers:",
    "fr": "Choisis parmi ces réponses :",
    "de": "Wähle eine dieser Antworten:",
    "es": "Elige una de estas respuestas:",
    "it": "Scegli una di queste risposte:",
}
_COMMAND = {
    "en": "Which command do I need, with {name}? {task}",
    "fr": "Quelle commande me faut-il, avec {name} ? {task}",
    "de": "Welchen Befehl brauche ich mit {name}? {task}",
    "es": "¿Qué comando necesito, con {name}? {task}",
    "it": "Quale comando mi serve, con {name}? {task}",
}


def quiz_conversations(folder: Path) -> Iterator[dict[str, Any]]:
    """Questions of OpenQuizzDB; every third one with its choices."""
    for source, number, language, question in _quizzes(folder):
        if conversation := _quiz_conversation(language, question, with_choices=number % 3 == 2):
            yield _line(language, source, *conversation)


def quiz_choices(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Held-out questions with their language, as `aquilon eval` reads multiple choice."""
    for source, _, language, question in _quizzes(folder):
        choices = [_clean(choice) for choice in question.get("propositions", ())]
        asked, answer = _clean(question.get("question")), _clean(question.get("réponse"))
        if is_held_out(source) and asked and all(choices) and choices.count(answer) == 1 and len(choices) > 1:
            yield language, {"question": asked, "choices": choices, "answer": answer}


@cache
def _quizzes(folder: Path) -> list[tuple[str, int, str, dict[str, Any]]]:
    """Each question's quiz, number in it, and language."""
    questions = []
    for path in sorted(folder.glob("openquizzdb_*.json")):
        data = path.read_bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
        text = re.sub(r'("difficulté": \d) / \d', r"\1", text)
        try:
            quiz = json.loads(text, strict=False)
        except ValueError as error:
            print(f"left out {path.name}, which is no JSON: {error}")
            continue
        for number, (language, question) in enumerate(_questions(quiz, "fr")):
            questions.append((path.stem, number, language, question))
    return questions


def _questions(part: Any, language: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Questions with their language: quizzes nest them by language, by level, or by both."""
    if isinstance(part, dict) and "question" in part:
        if language in LANGUAGES:
            yield language, part
    elif isinstance(part, dict):
        for name, inside in part.items():
            yield from _questions(inside, name if len(name) == 2 else language)
    elif isinstance(part, list):
        for inside in part:
            yield from _questions(inside, language)


def _quiz_conversation(language: str, question: dict[str, Any], *, with_choices: bool) -> tuple[str, str] | None:
    asked, answer = _clean(question.get("question")), _clean(question.get("réponse"))
    if not asked or not answer or not asked.endswith("?"):
        return None
    if with_choices:
        choices = "\n".join(f"- {_clean(choice)}" for choice in question.get("propositions", ()))
        return f"{asked}\n\n{_CHOICES[language]}\n{choices}", answer
    anecdote = _clean(question.get("anecdote"))
    return asked, f"{answer}." + (f" {anecdote}" if anecdote else "")


def command_conversations(clone: Path) -> Iterator[dict[str, Any]]:
    """Examples of tldr's pages: what somebody wants to do, and the command that does it."""
    for language in LANGUAGES:
        pages = clone / ("pages" if language == "en" else f"pages.{language}")
        for path in sorted(pages.glob("*/*.md")):
            text = path.read_text(encoding="utf-8")
            for task, command in re.findall(r"^- (.+?)\s?:\n\n`(.+)`$", text, re.MULTILINE):
                asked = _COMMAND[language].format(name=path.stem, task=task + ".")
                yield _line(language, f"tldr {path.stem}", asked, f"```sh\n{_command(command)}\n```")


def _command(text: str) -> str:
    """A command without tldr's marks: ``{{path/to/file}}``, and ``{{[-l|--long]}}`` for one option's two names."""
    text = re.sub(r"\{\{\[([^|\]]*)\|([^\]]*)\]\}\}", r"\2", text)
    return re.sub(r"\{\{(.*?)\}\}", r"\1", text)


def _clean(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _line(language: str, source: str, asked: str, answer: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return {"language": language, "source": source, "messages": messages}


def is_held_out(source: str) -> bool:
    return hashlib.sha256(source.encode()).digest()[0] % _HELD_OUT == 0


def write_quiz(folder: Path, choices: list[tuple[str, dict[str, Any]]]) -> None:
    """A task for each language that has questions."""
    folder.mkdir(exist_ok=True)
    for language in dict.fromkeys(language for language, _ in choices):
        lines = [json.dumps(fields, ensure_ascii=False) for own, fields in choices if own == language]
        (folder / f"quiz-{language}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / f"quiz-{language}.toml").write_text(
            f'kind = "choice"\ndata = "quiz-{language}.jsonl"\nlanguage = "{language}"\n'
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quizzes", type=Path, help="OpenQuizzDB's folder data")
    parser.add_argument("--commands", type=Path, help="a clone of tldr")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    counts: Counter[tuple[str, str]] = Counter()
    with (options.out / "train.jsonl").open("w") as train, (options.out / "held-out.jsonl").open("w") as held_out:
        lines = [*(quiz_conversations(options.quizzes) if options.quizzes else ())]
        lines += command_conversations(options.commands) if options.commands else ()
        for line in lines:
            part, file = ("held out", held_out) if is_held_out(line["source"]) else ("train", train)
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            counts[line["language"], part] += 1
    if options.quizzes:
        write_quiz(options.out / "quiz", list(quiz_choices(options.quizzes)))
    for language in LANGUAGES:
        print(f"{language}: {counts[language, 'train']:,} to train on, {counts[language, 'held out']:,} held out")


if __name__ == "__main__":
    main()
