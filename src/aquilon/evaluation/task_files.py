"""Finds tasks: those known by name, and those that files describe.

A task's file is TOML with the fields of `tasks`, or the questions themselves as JSONL
or TSV, which then are asked without examples.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from aquilon.evaluation.languages import language_of
from aquilon.evaluation.problems import fields_of
from aquilon.evaluation.tasks import AnswerTask, ChoiceTask, CodeTask, Example, QuestionTask

_KNOWN = Path(__file__).parent / "known"
_KINDS: dict[str, type[QuestionTask]] = {"choice": ChoiceTask, "answer": AnswerTask, "code": CodeTask}
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
TEXT_TASK = "bpb"


class UnusableTask(ValueError):
    """A task that is unknown or can't be used; the message says what would be right."""


@dataclass(frozen=True)
class TaskFinder:
    """Finds tasks by name or path. ``folder`` has the questions of known tasks, and may have task files of its own."""

    folder: Path

    def find(self, name: str) -> QuestionTask:
        """Raises UnusableTask, which suggests the nearest name, and UnreadableSource."""
        path = Path(name).expanduser()
        if path.suffix in (".toml", ".jsonl", ".tsv"):
            if not path.is_file():
                raise UnusableTask(f"{name} does not exist")
            return _from_file(path)
        own = self._own().get(name)
        if own is not None:
            return _from_file(own)
        known = _KNOWN / f"{name}.toml"
        if name not in known_names() or not known.is_file():
            raise UnusableTask(self._unknown(name))
        return _from_toml(known, self.folder)

    def present(self) -> list[QuestionTask]:
        """The known tasks whose questions are in the folder, and the folder's own tasks."""
        known = [_KNOWN / f"{name}.toml" for name in known_names()]
        found = [_from_toml(path, self.folder) for path in known if _data_of(_fields(path), self.folder) is not None]
        return found + [_from_file(path) for path in self._own().values()]

    def _own(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted(self.folder.glob("*.toml"))}

    def _unknown(self, name: str) -> str:
        names = [TEXT_TASK, *known_names(), *self._own()]
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        if nearest:
            return f"there is no task {name!r}: did you mean {nearest[0]!r}?"
        return f"there is no task {name!r}: name one of {', '.join(names)}, or a file (.toml, .jsonl, .tsv)"


def known_names() -> list[str]:
    return sorted(path.stem for path in _KNOWN.glob("*.toml"))


def _from_file(path: Path) -> QuestionTask:
    if path.suffix == ".toml":
        return _from_toml(path, path.parent)
    fields = fields_of(path)
    data, language = str(path.resolve()), language_of(path)
    if "entry_point" in fields:
        return CodeTask(name=path.stem, data=data, language=language)
    if "choices" in fields:
        return ChoiceTask(name=path.stem, data=data, language=language)
    match: Literal["number", "text"] = "number" if _is_number(fields.get("answer")) else "text"
    return AnswerTask(name=path.stem, data=data, language=language, match=match)


def _from_toml(path: Path, folder: Path) -> QuestionTask:
    """``folder``: where its ``data`` is, which may be several names, of which the first that exists is taken."""
    fields = _fields(path)
    source = fields.pop("source", None)
    data = _data_of(fields, folder)
    if data is None:
        names = fields.get("data", "")
        names = " or ".join(names) if isinstance(names, list) else names
        way = f": put it there, from {source}" if source else ""
        raise UnusableTask(f"the task {fields.get('name', path.stem)!r} needs its questions, {names} in {folder}{way}")
    kind = fields.pop("kind", None)
    if kind not in _KINDS:
        raise UnusableTask(f"{path}: kind is {kind!r}: it must be one of {', '.join(_KINDS)}")
    fields |= {"data": str(data.resolve()), "name": fields.get("name", path.stem)}
    try:
        task = msgspec.convert(fields, type=_KINDS[kind])
    except msgspec.ValidationError as error:
        raise UnusableTask(f"{path}: {_explained(str(error), _KINDS[kind])}") from None
    _check(task, path)
    return task


def _fields(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnusableTask(f"{path} is no TOML: {error}") from None


def _data_of(fields: dict[str, Any], folder: Path) -> Path | None:
    names = fields.get("data")
    names = names if isinstance(names, list) else [names]
    return next((folder / name for name in names if isinstance(name, str) and (folder / name).is_file()), None)


def _check(task: QuestionTask, path: Path) -> None:
    if isinstance(task, CodeTask):
        return
    for name, template, field in (("prompt", task.prompt, "{question}"), ("answer", task.answer, "{answer}")):
        if field not in template:
            raise UnusableTask(f"{path}: {name} is {template!r}: it must hold {field}")


def _is_number(answer: object) -> bool:
    text = str(answer).rpartition("####")[2].strip()
    return bool(re.fullmatch(r"[-\u2212]?[\d.,' \u00a0\u2009\u202f\u2019]*\d", text))


def _explained(problem: str, kind: type[QuestionTask]) -> str:
    unknown = _UNKNOWN.match(problem)
    if unknown is None:
        return problem
    names: Sequence[str] = Example.__struct_fields__ if "at `" in problem else kind.__struct_fields__
    nearest = difflib.get_close_matches(unknown[1], names, n=1, cutoff=0.5)
    suggestion = f"did you mean {nearest[0]!r}?" if nearest else f"its names are {', '.join(names)}"
    return f"{unknown[1]!r} is unknown: {suggestion}"
