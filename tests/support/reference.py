"""The default model as transformers runs it: its greedy answers, and how close a differing answer was.

The gate of every path that generates with the default model::

    report = reference.compare(index, token_ids)
    assert report.passes, report

The answers are data, `tests/references/default_model_answers.json`, which
``scripts/make-references`` makes with `tests.support.transformers_answers`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.text.messages import Message

FILE = Path(__file__).parents[1] / "references" / "default_model_answers.json"
PROMPTS = (
    "What is the capital of France?",
    "Write a short poem about the sea.",
    "Explain in two sentences why the sky is blue.",
    "List three uses for a paperclip.",
    "Quelle est la capitale de l'Italie ?",
    "Explique la photosynthèse en une phrase.",
    "Écris un court poème sur l'automne.",
    "Donne-moi une recette de crêpes.",
    "Was ist die Hauptstadt von Deutschland?",
    "Erkläre in zwei Sätzen, wie ein Kühlschrank funktioniert.",
    "Schreibe ein kurzes Gedicht über den Regen.",
    "Nenne drei Städte in Österreich.",
    "¿Cuál es la capital de España?",
    "Explica qué es la fotosíntesis en una frase.",
    "Escribe un poema corto sobre el mar.",
    "Dime tres animales que viven en la selva.",
    "Qual è la capitale dell'Italia?",
    "Spiega in due frasi perché il cielo è blu.",
    "Scrivi una breve poesia sull'inverno.",
    "Elenca tre piatti tipici italiani.",
)
"""Twenty, in English, French, German, Spanish and Italian."""

MAX_TOKENS = 48
SMALLEST_GAP = 0.05
"""Logits: a first difference between tokens that lie closer than this is rounding, a wider one a mistake."""
NEAR = 1.0
"""Logits: of tokens that lie closer to the answer's own than this, the reference says how close."""


class ReferenceAnswer(msgspec.Struct, frozen=True):
    """What transformers answers to one prompt."""

    prompt: str
    prompt_ids: list[int]
    """Through the chat template."""
    token_ids: list[int]
    """At most ``MAX_TOKENS``, with the token that ended it."""
    gaps: list[dict[int, float]]
    """At each token: the logit of the answer's own less that of each other token closer than ``NEAR``."""


class ReferenceFile(msgspec.Struct, frozen=True):
    made_with: dict[str, str]
    """The versions of transformers and torch, and the SHA-256 of the model's file."""
    answers: list[ReferenceAnswer]


def prompt_ids(model_file: Path) -> list[list[int]]:
    """The prompts as the model is shown them."""
    template = load_text(open_checkpoint(model_file)).template
    assert template is not None
    return [template.encode([Message("user", prompt)]) for prompt in PROMPTS]


def read_references() -> ReferenceFile:
    return msgspec.json.decode(FILE.read_bytes(), type=ReferenceFile)


def write_references(references: ReferenceFile) -> None:
    """One answer a line, so that a change shows where it is."""
    lines = ",\n".join(msgspec.json.encode(answer).decode() for answer in references.answers)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(f'{{"made_with": {json.dumps(references.made_with)}, "answers": [\n{lines}\n]}}\n', "utf-8")


@dataclass(frozen=True)
class Report:
    """How one answer compares with the reference's."""

    prompt: str
    equal_tokens: int
    """Before the first difference; all of them where there is none."""
    gap: float | None
    """At the first difference: the reference's logit of its own token less that of ours. None: all equal."""

    @property
    def passes(self) -> bool:
        return self.gap is None or self.gap < SMALLEST_GAP

    def __str__(self) -> str:
        if self.gap is None:
            return f"{self.prompt}: {self.equal_tokens} tokens equal"
        return f"{self.prompt}: differs after {self.equal_tokens} equal tokens, at a gap of {self.gap:.4f} logits"


class Reference:
    """Prompts through the chat template, and transformers' greedy answers to them in fp32."""

    def __init__(self, model_file: Path) -> None:
        """Raises ValueError where our template says something else than what the answers were made from."""
        self._answers = read_references().answers
        self.prompt_ids = prompt_ids(model_file)
        if [(answer.prompt, answer.prompt_ids) for answer in self._answers] != [
            *zip(PROMPTS, self.prompt_ids, strict=True)
        ]:
            raise ValueError(f"{FILE} answers other prompts than ours: make it anew with scripts/make-references")
        self.answers = [answer.token_ids for answer in self._answers]

    def compare(self, index: int, token_ids: list[int]) -> Report:
        """Hold an answer to prompt ``index``, greedy and ``MAX_TOKENS`` long, against the reference's."""
        expected = self.answers[index]
        equal = 0
        while equal < min(len(expected), len(token_ids)) and expected[equal] == token_ids[equal]:
            equal += 1
        if equal == len(expected) == len(token_ids):
            return Report(PROMPTS[index], equal, None)
        if equal in (len(expected), len(token_ids)):
            return Report(PROMPTS[index], equal, float("inf"))  # stopped at another place without a differing token
        return Report(PROMPTS[index], equal, self._answers[index].gaps[equal].get(token_ids[equal], NEAR))
