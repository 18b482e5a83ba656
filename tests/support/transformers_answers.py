"""Transformers' greedy answers with the default model, which `tests.support.reference` keeps as data."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
import transformers
from tests.support.reference import MAX_TOKENS, NEAR, PROMPTS, ReferenceAnswer, ReferenceFile, prompt_ids
from transformers import AutoModelForCausalLM, PreTrainedModel

from aquilon.checkpoints.opening import open_checkpoint


def make_references(model_file: Path) -> ReferenceFile:
    model = load(model_file)
    prompts = prompt_ids(model_file)
    answers = [
        ReferenceAnswer(prompt, ids, token_ids, gaps_of(model, ids, token_ids))
        for prompt, ids, token_ids in zip(PROMPTS, prompts, generate(model, model_file, prompts), strict=True)
    ]
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    return ReferenceFile(versions | {"model": hashlib.sha256(model_file.read_bytes()).hexdigest()}, answers)


def load(model_file: Path) -> PreTrainedModel:
    """The GGUF through transformers' own reader, in fp32."""
    model = AutoModelForCausalLM.from_pretrained(model_file.parent, gguf_file=model_file.name, dtype=torch.float32)
    return model.eval()


def generate(model: PreTrainedModel, model_file: Path, prompts: list[list[int]]) -> list[list[int]]:
    """All prompts in one batch, padded on the left."""
    longest = max(map(len, prompts))
    padded = torch.zeros(len(prompts), longest, dtype=torch.int64)
    mask = torch.zeros_like(padded)
    for row, ids in enumerate(prompts):
        padded[row, longest - len(ids) :] = torch.tensor(ids)
        mask[row, longest - len(ids) :] = 1
    ends = sorted(open_checkpoint(model_file).eos_ids)
    options = {"do_sample": False, "eos_token_id": ends, "pad_token_id": ends[0]}
    generated = model.generate(padded, attention_mask=mask, max_new_tokens=MAX_TOKENS, **options)
    answers = []
    for row in generated[:, longest:].tolist():
        end = next((position + 1 for position, token in enumerate(row) if token in ends), len(row))
        answers.append(row[:end])
    return answers


def gaps_of(model: PreTrainedModel, prompt: list[int], answer: list[int]) -> list[dict[int, float]]:
    """At each of the answer's tokens, as `ReferenceAnswer.gaps` says: one pass over prompt and answer."""
    with torch.no_grad():
        logits = model(torch.tensor([prompt + answer[:-1]])).logits[0, len(prompt) - 1 :]  # (answer, vocabulary)
    gaps = []
    for token, row in zip(answer, logits, strict=True):
        below = row[token] - row  # (vocabulary,)
        near = [other for other in (below < NEAR).nonzero().flatten().tolist() if other != token]
        gaps.append({other: round(below[other].item(), 4) for other in near})
    return gaps
