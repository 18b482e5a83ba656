"""The default model as transformers runs it: its greedy answers, and how close a differing answer was.

The gate of every path that generates with the default model::

    report = reference.compare(index, token_ids)
    assert report.passes, report
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedModel

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.text.messages import Message

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
        """The answers are kept beside the model's file: transformers takes half a minute to give them."""
        self.model_file = model_file
        checkpoint = open_checkpoint(model_file)
        template = load_text(checkpoint).template
        assert template is not None
        self.eos_ids = checkpoint.eos_ids
        self.prompt_ids = [template.encode([Message("user", prompt)]) for prompt in PROMPTS]
        made_from = [model_file.stat().st_size, transformers.__version__, torch.__version__, MAX_TOKENS]
        made_from += [sorted(self.eos_ids), self.prompt_ids]
        digest = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]
        kept = model_file.with_name(f"reference-answers-{digest}.json")
        if not kept.exists():
            kept.write_text(json.dumps(self._generate()))
        self.answers: list[list[int]] = json.loads(kept.read_text())
        """At most ``MAX_TOKENS`` each, with the token that ended it."""

    @cached_property
    def model(self) -> PreTrainedModel:
        """The GGUF through transformers' own reader."""
        folder, name = self.model_file.parent, self.model_file.name
        return AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()

    def _generate(self) -> list[list[int]]:
        """All prompts in one batch, padded on the left."""
        longest = max(map(len, self.prompt_ids))
        padded = torch.zeros(len(self.prompt_ids), longest, dtype=torch.int64)
        mask = torch.zeros_like(padded)
        for row, ids in enumerate(self.prompt_ids):
            padded[row, longest - len(ids) :] = torch.tensor(ids)
            mask[row, longest - len(ids) :] = 1
        ends = sorted(self.eos_ids)
        options = {"do_sample": False, "eos_token_id": ends, "pad_token_id": ends[0]}
        generated = self.model.generate(padded, attention_mask=mask, max_new_tokens=MAX_TOKENS, **options)
        answers = []
        for row in generated[:, longest:].tolist():
            end = next((position + 1 for position, token in enumerate(row) if token in ends), len(row))
            answers.append(row[:end])
        return answers

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
        with torch.no_grad():
            known = torch.tensor([self.prompt_ids[index] + expected[:equal]])
            logits = self.model(known).logits[0, -1]
        return Report(PROMPTS[index], equal, (logits[expected[equal]] - logits[token_ids[equal]]).item())
