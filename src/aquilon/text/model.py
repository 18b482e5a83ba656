"""A model's tokenizer, its chat template, and its formats of tool calls, thoughts and gaps, in one value."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aquilon.text.fill import FillFormat, fill_format
from aquilon.text.gguf_vocabulary import templates_from_metadata, tokenizer_from_gguf
from aquilon.text.huggingface import templates_from_folder, tokenizer_from_folder
from aquilon.text.messages import Message, Tool
from aquilon.text.mistral import MistralTemplate, load_mistral, mistral_file
from aquilon.text.reasoning import ReasoningFormat, reasoning_format
from aquilon.text.template import NO_VARIABLES, ChatTemplate, JinjaTemplate
from aquilon.text.template_errors import TemplateError
from aquilon.text.tokenizer import Tokenizer, TokenizerError
from aquilon.text.tool_calls import ToolFormat, tool_format
from aquilon.text.tool_calls.detection import mistral_tool_format
from aquilon.text.tool_calls.preamble import with_tools


@dataclass(frozen=True)
class TextModel:
    """Turns conversations into a model's token ids, and its token ids into text."""

    tokenizer: Tokenizer
    template: ChatTemplate | None
    """None for a model that only continues text."""
    fill: FillFormat | None = None
    """None for a model that can't fill gaps."""

    @cached_property
    def tools(self) -> ToolFormat:
        """How this model writes tool calls."""
        controls = self.tokenizer.control_tokens
        if isinstance(self.template, MistralTemplate):
            return mistral_tool_format(self.template.version, controls)
        return tool_format(self._template_source, controls)

    @cached_property
    def reasoning(self) -> ReasoningFormat | None:
        """How this model marks its thoughts; None for a model without them."""
        controls = self.tokenizer.control_tokens
        if isinstance(self.template, MistralTemplate):
            return reasoning_format(" ".join(controls), controls)
        return reasoning_format(self._template_source, controls)

    def encode_chat(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        add_generation_prompt: bool = True,
        continue_final: bool = False,
        variables: Mapping[str, Any] = NO_VARIABLES,
        brief: bool = False,
    ) -> list[int]:
        """Token ids of a conversation, as `ChatTemplate.encode`; a template without tools gets them as text.

        Raises TemplateError, also for a model without a chat template, and NotBrief.
        """
        if self.template is None:
            raise TemplateError("the model has no chat template: it only continues text")
        encode = functools.partial(
            self.template.encode,
            add_generation_prompt=add_generation_prompt,
            continue_final=continue_final,
            variables=variables,
            brief=brief,
        )
        speaks_of_tools = tools or any(message.tool_calls or message.role == "tool" for message in messages)
        if self.tools.renders_tools or not speaks_of_tools:
            return encode(messages, tools=tools)
        try:
            return encode(with_tools(messages, tools))
        except TemplateError:
            if not tools:
                raise
            return encode(with_tools(messages, tools, system=False))

    @property
    def _template_source(self) -> str:
        return self.template.source(tools=True) if isinstance(self.template, JinjaTemplate) else ""

    @classmethod
    def from_gguf(cls, metadata: Mapping[str, Any], *, rows: int | None = None) -> TextModel:
        """From a GGUF file's key-value pairs (``tokenizer.*``), for a model with ``rows`` rows of weights.

        Raises TokenizerError.
        """
        tokenizer = tokenizer_from_gguf(metadata, rows=rows)
        templates = templates_from_metadata(metadata)
        template = JinjaTemplate(templates, tokenizer) if templates else None
        return cls(tokenizer, template, fill_format(tokenizer, metadata))

    @classmethod
    def from_folder(cls, folder: Path, *, rows: int | None = None) -> TextModel:
        """From a folder: Mistral's own tokenizer if it has one, else Hugging Face's.

        ``rows`` as in ``from_gguf``. Raises TokenizerError.
        """
        vendor = mistral_file(folder)
        if vendor is not None:
            mistral, format_ = load_mistral(vendor)
            if rows is not None and mistral.vocab_size > rows:
                raise TokenizerError(f"{vendor} has {mistral.vocab_size} tokens, and the model has weights for {rows}")
            fills = {"[SUFFIX]", "[PREFIX]"} <= set(mistral.control_tokens)
            return cls(mistral, format_, FillFormat(format_.encode_fill) if fills else None)
        if not (folder / "tokenizer.json").is_file():
            raise TokenizerError(
                f"{folder} holds no tokenizer: neither tokenizer.json, nor Mistral's tekken.json or tokenizer.model.v*"
            )
        tokenizer = tokenizer_from_folder(folder, rows=rows)
        templates = templates_from_folder(folder)
        template = JinjaTemplate(templates, tokenizer) if templates else None
        return cls(tokenizer, template, fill_format(tokenizer))
