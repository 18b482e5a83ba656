"""``POST /v1/completions``, the request."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aquilon.api.generation.sampling_fields import SamplingFields, TokenId, TopLogprobs
from aquilon.errors import invalid, unsupported
from aquilon.request import FillPrompt, GenerationRequest, Prompt, TextPrompt, TokenPrompt

MAX_PROMPTS = 256
MAX_SEQUENCES = 256
"""Prompts times ``n``."""

TokenIds = Annotated[list[TokenId], Field(min_length=1)]


class CompletionRequest(SamplingFields):
    """Text, or token ids, to continue; one prompt or a list of them."""

    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS)]
        | TokenIds
        | Annotated[list[TokenIds], Field(min_length=1, max_length=MAX_PROMPTS)]
    )
    echo: bool | None = Field(None, description="Begin the answer with the prompt.")
    logprobs: TopLogprobs | None = Field(
        None, description="Most likely tokens to report in each place; with `echo` the prompt's too."
    )
    add_special_tokens: bool = Field(True, description="Whether text prompts get the model's beginning token (vLLM).")
    best_of: int | None = Field(None, description="Must equal `n`.")
    suffix: str | None = Field(
        None, max_length=10_000_000, description="What follows the gap that is to be filled, for models that fill gaps."
    )

    def generations(self) -> list[GenerationRequest]:
        """One a prompt. Raises ApiError 400 for what can't be answered."""
        n = self.n or 1
        if self.best_of and self.best_of != n:
            raise unsupported("A 'best_of' that differs from 'n' is", param="best_of")
        prompts = self._prompts()
        if len(prompts) * n > MAX_SEQUENCES:
            raise invalid(f"{len(prompts)} prompts times n = {n} is more than {MAX_SEQUENCES}", param="prompt")
        sampling = self.sampling(
            max_tokens=self.max_tokens, logprobs=self.logprobs, prompt_logprobs=self.logprobs if self.echo else None
        )
        format_ = self.format
        return [
            GenerationRequest(
                model=self.model,
                prompt=prompt,
                sampling=sampling,
                temperature=self.temperature,
                stop=self.stops,
                n=n,
                format=format_,
                upstream_fields=self.upstream_fields,
            )
            for prompt in prompts
        ]

    def _prompts(self) -> list[Prompt]:
        if self.suffix:
            texts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
            if self.echo or not all(isinstance(text, str) for text in texts):
                raise invalid("'suffix' goes with prompts that are text, and without 'echo'", param="suffix")
            return [FillPrompt(str(text), self.suffix) for text in texts]
        if isinstance(self.prompt, str):
            return [TextPrompt(self.prompt, self.add_special_tokens)]
        single = [item for item in self.prompt if isinstance(item, int)]
        if single:
            return [TokenPrompt(tuple(single))]
        return [
            TextPrompt(item, self.add_special_tokens) if isinstance(item, str) else TokenPrompt(tuple(item))
            for item in self.prompt
            if not isinstance(item, int)
        ]
