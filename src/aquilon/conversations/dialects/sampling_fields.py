"""The fields that chat and text completions share: sampling, stopping and the answer's format."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints, field_validator

from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.format_fields import (
    Options,
    Pattern,
    ResponseFormat,
    Schema,
    StructuredOutputs,
    one_format,
    schema_object,
)
from aquilon.conversations.dialects.token_fields import TokenFields, TokenId
from aquilon.conversations.dialects.usage import StreamedUsage
from aquilon.engine.protocol import SamplingParameters
from aquilon.request import Grammar, JsonSchema, OutputFormat

MAX_CHOICES = 16
MAX_STOP_STRINGS = 16
MAX_TOKEN_COUNT = 2**31 - 1

StopString = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
TokenCount = Annotated[int, Field(ge=0, le=MAX_TOKEN_COUNT)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**64)]


class StreamOptions(Fields):
    include_usage: bool = Field(
        False,
        description="With true, the stream ends with a chunk that has the usage and no choices; false omits the usage.",
    )


class SamplingFields(TokenFields):
    FOR_UPSTREAMS: ClassVar[tuple[str, ...]] = (
        "user",
        "metadata",
        "service_tier",
        "store",
        *(name for name in TokenFields.model_fields if name != "prompt_logprobs"),
    )

    model: str = Field(min_length=1, max_length=1000, description="A model's name, or an alias.")
    temperature: float | None = Field(
        None, ge=0, le=2, description="0 always takes the likeliest token; null uses the model's default."
    )
    top_p: float | None = Field(None, ge=0, le=1, description="0 takes the likeliest token.")
    top_k: int | None = Field(None, ge=-1, le=MAX_TOKEN_COUNT, description="0 and -1 keep the whole vocabulary.")
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    max_tokens: TokenCount | None = Field(
        None,
        description="With null, an answer may fill the context, and a text is continued by at most 1,024 tokens, "
        "unless the server's operator set another limit.",
    )
    min_tokens: TokenCount | None = None
    stop: StopString | Annotated[list[StopString], Field(max_length=MAX_STOP_STRINGS)] | None = Field(
        None, description="Texts that end the answer; they are not part of it."
    )
    stop_token_ids: Annotated[list[TokenId], Field(max_length=64)] | None = None
    ignore_eos: bool | None = None
    seed: Seed | None = Field(None, description="The same seed gives the same answer, whatever other requests run.")
    random_seed: Seed | None = Field(None, description="Mistral's name for `seed`.")
    n: int | None = Field(
        None, ge=1, le=MAX_CHOICES, description="The number of answers. The prompt is computed and counted once."
    )
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)] | None = Field(
        None, description="By token id, the number that is added to its logit."
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Any = Field(None, description="Accepted, without effect.")
    metadata: Any = Field(None, description="Accepted, without effect.")
    service_tier: Any = Field(None, description="Accepted, without effect.")
    store: Any = Field(None, description="Accepted, without effect.")
    response_format: ResponseFormat | None = Field(None, description="The format that the answer must have.")
    structured_outputs: StructuredOutputs | None = Field(None, description="vLLM's shape of `response_format`.")
    guided_json: Schema | None = Field(None, description="A JSON schema, in vLLM's older shape.")
    guided_regex: Pattern | None = None
    guided_choice: Options | None = None
    guided_grammar: Pattern | None = None
    json_schema: Schema | None = Field(None, description="A JSON schema that the answer must match (llama.cpp).")
    grammar: Pattern | None = Field(None, description="A grammar that the answer must match, in GBNF (llama.cpp).")

    @field_validator("logit_bias")
    @classmethod
    def _token_ids(cls, bias: dict[str, float] | None) -> dict[str, float] | None:
        """The biases other than zero. A zero may have any key: OpenAI's test suite sends such."""
        biases = {key: value for key, value in (bias or {}).items() if value}
        for key in biases:
            if not (key.isascii() and key.isdigit() and len(key) <= 10):
                raise ValueError(f"'{key[:20]}' is not a token id: a token id is a number of at most 10 digits")
        return biases

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def streamed_usage(self) -> StreamedUsage:
        if self.stream_options is None:
            return "in last chunk"
        return "in own chunk" if self.stream_options.include_usage else "none"

    @property
    def format(self) -> OutputFormat | None:
        """The format that the answer must have. Raises ApiError 400 for an unknown format, and for several formats."""
        guided = None
        if self.guided_json is not None or self.guided_regex or self.guided_choice or self.guided_grammar:
            guided = StructuredOutputs.model_construct(
                json_=self.guided_json, regex=self.guided_regex, choice=self.guided_choice, grammar=self.guided_grammar
            )
        return one_format(
            self.response_format.format() if self.response_format is not None else None,
            self.structured_outputs.format() if self.structured_outputs is not None else None,
            guided.format("guided_json") if guided is not None else None,
            JsonSchema(schema_object(self.json_schema, "json_schema")) if self.json_schema is not None else None,
            Grammar(self.grammar) if self.grammar else None,
        )

    @property
    def upstream_fields(self) -> dict[str, Any]:
        """The fields that only upstreams use, unknown fields among them, as the client sent them."""
        return {
            **(self.model_extra or {}),
            **{name: value for name in self.FOR_UPSTREAMS if (value := getattr(self, name, None)) is not None},
        }

    def sampling(
        self, *, max_tokens: int | None, logprobs: int | None, prompt_logprobs: int | None = None
    ) -> SamplingParameters:
        """All parameters but the temperature, whose default is the model's."""
        seed = self.seed if self.seed is not None else self.random_seed
        return SamplingParameters(
            top_p=_or(self.top_p, 1.0),
            top_k=max(0, self.top_k or 0),
            min_p=self.min_p or 0.0,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            repetition_penalty=_or(self.repetition_penalty, 1.0),
            logit_bias={int(token_id): bias for token_id, bias in (self.logit_bias or {}).items()},
            seed=None if seed is None else seed % 2**63,
            max_tokens=max_tokens,
            min_tokens=self.min_tokens or 0,
            stop_token_ids=tuple(self.stop_token_ids or ()),
            ignore_eos=bool(self.ignore_eos),
            logprobs=logprobs,
            prompt_logprobs=prompt_logprobs,
            allowed_token_ids=tuple(self.allowed_token_ids or ()),
            logprob_token_ids=tuple(self.logprob_token_ids or ()) if logprobs is not None else (),
        )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
