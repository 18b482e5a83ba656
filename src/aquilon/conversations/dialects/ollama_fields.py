"""The fields that ``/api/chat`` and ``/api/generate`` share: options, the answer's format, thoughts, time in memory."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.format_fields import schema_object
from aquilon.conversations.dialects.sampling_fields import MAX_STOP_STRINGS, MAX_TOKEN_COUNT, Seed, StopString
from aquilon.conversations.dialects.token_fields import TopLogprobs
from aquilon.engine.protocol import SamplingParameters
from aquilon.errors import invalid
from aquilon.request import GenerationRequest, JsonObject, JsonSchema, OutputFormat, Prompt

_DURATION = r"^[+-]?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h)?)+$"
_RANDOM_SEED = -1


def _whole(value: Any) -> Any:
    """Home automation sends whole numbers as ``8.0``."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)

ModelName = Annotated[
    str, Field(min_length=1, max_length=1000, description="A model's name, with or without `:latest`, or an alias.")
]


class OllamaOptions(Fields):
    """Ollama's options. Those of how a model is loaded (`num_ctx`, `num_gpu`, `num_thread` …), `repeat_last_n`,
    `typical_p`, `tfs_z` and `mirostat` are accepted without effect."""

    temperature: float | None = Field(None, ge=0, le=2, description="Without it, the model's own default.")
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: Annotated[int, Whole] | None = Field(
        None, ge=-1, le=MAX_TOKEN_COUNT, description="0 and -1 keep the whole vocabulary."
    )
    min_p: float | None = Field(None, ge=0, le=1)
    seed: Annotated[Seed, Whole] | None = Field(None, description="-1 takes another seed each time.")
    stop: StopString | Annotated[list[StopString], Field(max_length=MAX_STOP_STRINGS)] | None = None
    num_predict: Annotated[int, Whole] | None = Field(
        None,
        ge=-2,
        le=MAX_TOKEN_COUNT,
        description="The most tokens of an answer. With 0, -1 and -2 it may fill the context.",
    )
    repeat_penalty: float | None = Field(None, gt=0, le=10, description="Counts all tokens, not the last few.")
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    def sampling(self, *, logprobs: int | None) -> SamplingParameters:
        """All parameters but the temperature, whose default is the model's."""
        max_tokens = self.num_predict if self.num_predict is not None and self.num_predict > 0 else None
        return SamplingParameters(
            top_p=1.0 if self.top_p is None else self.top_p,
            top_k=max(0, self.top_k or 0),
            min_p=self.min_p or 0.0,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            repetition_penalty=self.repeat_penalty or 1.0,
            seed=None if self.seed is None or self.seed == _RANDOM_SEED else self.seed % 2**63,
            max_tokens=max_tokens,
            logprobs=logprobs,
        )


class AnswerFields(Fields):
    model: ModelName
    stream: bool | None = Field(None, description="With false, the answer comes whole; otherwise in lines.")
    format: Any = Field(None, description="`json` for any object, or a JSON schema.")
    options: OllamaOptions | None = None
    think: bool | Literal["low", "medium", "high", "max"] | None = Field(
        None,
        description="Whether, or how long, a reasoning model thinks before it answers, if its template has the choice. "
        "With false, the answer has no thoughts.",
    )
    keep_alive: Annotated[str, StringConstraints(max_length=100, pattern=_DURATION)] | float | None = Field(
        None,
        description="0 in a request without a prompt unloads the model, if the caller operates the server. Otherwise "
        "without effect: a model stays in memory until another one needs the room.",
    )
    logprobs: bool | None = None
    top_logprobs: TopLogprobs | None = None

    @property
    def unloads(self) -> bool:
        """Whether the model shall leave memory at once: ``keep_alive`` is zero."""
        if isinstance(self.keep_alive, str):
            return not any(float(number) for number in re.findall(r"\d+(?:\.\d+)?", self.keep_alive))
        return self.keep_alive == 0

    @property
    def output_format(self) -> OutputFormat | None:
        """None for free text. Raises ApiError 400."""
        if self.format is None or self.format == "":
            return None
        if self.format == "json":
            return JsonObject()
        if not isinstance(self.format, dict):
            raise invalid("'format' must be 'json' or a JSON schema, which is an object", param="format")
        return JsonSchema(schema_object(self.format, "format"))

    @property
    def template_variables(self) -> dict[str, Any]:
        """What the model's chat template reads about thoughts."""
        if self.think is None:
            return {}
        effort = {"reasoning_effort": self.think} if isinstance(self.think, str) else {}
        return {"enable_thinking": self.think is not False, **effort}

    def generation(self, prompt: Prompt, model: str, *, reasons: bool = False) -> GenerationRequest:
        """The canonical request. ``reasons``: whether the model may think. Raises ApiError 400."""
        if self.top_logprobs and not self.logprobs:
            raise invalid("top_logprobs needs 'logprobs': true", param="top_logprobs")
        options = self.options or OllamaOptions.model_construct()
        return GenerationRequest(
            model=model,
            prompt=prompt,
            sampling=options.sampling(logprobs=(self.top_logprobs or 0) if self.logprobs else None),
            temperature=options.temperature,
            stop=options.stops,
            format=self.output_format,
            upstream_fields=self._upstream_fields(reasons),
        )

    def _upstream_fields(self, reasons: bool) -> dict[str, Any]:
        """A model that doesn't think isn't asked to stop thinking: upstreams refuse an effort for such a model."""
        if isinstance(self.think, str):
            return {"reasoning_effort": self.think}
        return {"reasoning_effort": "none"} if self.think is False and reasons else {}
