"""Check a request against what the model can compute, before any work is done for it."""

from __future__ import annotations

import math

from aquilon.engine.protocol import MAX_BAD_SEQUENCES, MAX_NAMED_LOGPROBS, MAX_TOP_LOGPROBS, SequenceRequest

MAX_CONTINUATIONS = 128


class InvalidRequest(ValueError):
    """A request that the model can't compute; the message says which number is wrong and what would be right."""


def check_request(request: SequenceRequest, *, vocab_size: int, max_context: int) -> None:
    """Raises InvalidRequest for what the model cannot compute."""
    _check_prompt(request, vocab_size, max_context)
    sampling = request.sampling
    _check("n", request.n, valid=1 <= request.n <= MAX_CONTINUATIONS, allowed=f"from 1 to {MAX_CONTINUATIONS}")
    _check("temperature", sampling.temperature, valid=0 <= sampling.temperature < math.inf, allowed="0 or more")
    _check("top_p", sampling.top_p, valid=0 <= sampling.top_p <= 1, allowed="from 0 to 1")
    _check("min_p", sampling.min_p, valid=0 <= sampling.min_p <= 1, allowed="from 0 to 1")
    _check("top_k", sampling.top_k, valid=sampling.top_k >= 0, allowed="0 or more")
    for name in ("presence_penalty", "frequency_penalty"):
        value: float = getattr(sampling, name)
        _check(name, value, valid=math.isfinite(value), allowed="a finite number")
    penalty = sampling.repetition_penalty
    _check("repetition_penalty", penalty, valid=0 < penalty < math.inf, allowed="more than 0")
    _check(
        "max_tokens",
        sampling.max_tokens,
        valid=sampling.max_tokens is None or sampling.max_tokens >= 0,
        allowed="0 or more",
    )
    _check("min_tokens", sampling.min_tokens, valid=sampling.min_tokens >= 0, allowed="0 or more")
    for name in ("logprobs", "prompt_logprobs"):
        count: int | None = getattr(sampling, name)
        _check(
            name, count, valid=count is None or 0 <= count <= MAX_TOP_LOGPROBS, allowed=f"from 0 to {MAX_TOP_LOGPROBS}"
        )
    for token_id, bias in sampling.logit_bias.items():
        _check(
            "a token of logit_bias", token_id, valid=0 <= token_id < vocab_size, allowed=f"from 0 to {vocab_size - 1}"
        )
        _check("a value of logit_bias", bias, valid=math.isfinite(bias), allowed="a finite number")
    lists = {
        "stop_token_ids": sampling.stop_token_ids,
        "allowed_token_ids": sampling.allowed_token_ids,
        "logprob_token_ids": sampling.logprob_token_ids,
        "bad_sequences": [token_id for sequence in sampling.bad_sequences for token_id in sequence],
    }
    for name, ids in lists.items():
        for token_id in (min(ids), max(ids)) if ids else ():
            allowed = f"from 0 to {vocab_size - 1}"
            _check(f"a token of {name}", token_id, valid=0 <= token_id < vocab_size, allowed=allowed)
    _check_number("logprob_token_ids", len(sampling.logprob_token_ids), most=MAX_NAMED_LOGPROBS)
    _check_number("bad_sequences", len(sampling.bad_sequences), most=MAX_BAD_SEQUENCES)
    _check("bad_sequences", sampling.bad_sequences, valid=all(sampling.bad_sequences), allowed="sequences of tokens")


def _check_prompt(request: SequenceRequest, vocab_size: int, max_context: int) -> None:
    prompt = request.prompt_ids
    if not prompt:
        raise InvalidRequest("The prompt is empty: it must hold at least one token")
    for token_id in (min(prompt), max(prompt)):
        _check(
            "a token of the prompt", token_id, valid=0 <= token_id < vocab_size, allowed=f"from 0 to {vocab_size - 1}"
        )
    room = max_context - (0 if request.sampling.max_tokens == 0 else 1)
    if len(prompt) > room:
        raise InvalidRequest(
            f"The prompt has {len(prompt)} tokens; the model's context holds {max_context} with the answer: "
            f"at most {room} fit"
        )


def _check_number(name: str, number: int, *, most: int) -> None:
    _check(f"the number of {name}", number, valid=number <= most, allowed=f"at most {most}")


def _check(name: str, value: object, *, valid: bool, allowed: str) -> None:
    if not valid:
        raise InvalidRequest(f"{name} is {value}: it must be {allowed}")
