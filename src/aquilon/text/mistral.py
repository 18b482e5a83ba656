"""Mistral's own tokenizers and request format, through the vendor's ``mistral-common``.

``tekken.json`` and ``tokenizer.model.v*`` hold no chat template: the format is
mistral-common's code. It is imported when such a model is loaded and not before: with
its vocabulary it takes about 130 MB.
"""

from __future__ import annotations

import hashlib
import re
import string
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from aquilon.text.added_tokens import AddedToken, AddedTokens
from aquilon.text.messages import Message, Tool
from aquilon.text.spelling import sentencepiece_bytes
from aquilon.text.template import NO_VARIABLES
from aquilon.text.template_errors import TemplateError
from aquilon.text.template_variables import thinks
from aquilon.text.tokenizer import TokenizerError, decode_tokens, require_unicode

_FREE_CALL_IDS = 13
"""The first version of the format that accepts any id of a tool call."""
_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")
_LETTERS = string.ascii_letters + string.digits


def mistral_file(folder: Path) -> Path | None:
    """The folder's own Mistral tokenizer: ``tekken.json``, else ``tokenizer.model.v*`` with the highest version."""
    tekken = folder / "tekken.json"
    if tekken.is_file():
        return tekken
    versions = sorted(folder.glob("*.model.v*"))
    if versions:
        return versions[-1]
    plain = folder / "tokenizer.model"
    return plain if plain.is_file() and (folder / "params.json").is_file() else None


def load_mistral(path: Path) -> tuple[MistralTokenizer, MistralTemplate]:
    """The tokenizer in this file, and the format of requests that goes with it. Raises TokenizerError."""
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer as Vendor

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on versions of the vendor's own files
            vendor: Any = Vendor.from_file(str(path))
    except Exception as error:
        raise TokenizerError(f"{path} can't be read as a Mistral tokenizer: {error}") from None
    return MistralTokenizer(vendor.instruct_tokenizer.tokenizer), MistralTemplate(vendor)


class MistralTokenizer:
    """A :class:`~aquilon.text.tokenizer.Tokenizer` around mistral-common's."""

    def __init__(self, vendor: Any) -> None:
        self._vendor = vendor
        self._bytes_of = getattr(vendor, "id_to_byte_piece", None)
        self._control_ids = frozenset(vendor.special_ids) | {vendor.unk_id}
        self.vocab_size: int = vendor.n_words
        self.bos_id: int | None = vendor.bos_id
        self.eos_ids: frozenset[int] = frozenset((vendor.eos_id,))
        self.unused_ids: frozenset[int] = frozenset()
        controls = ((token_id, str(vendor.id_to_piece(token_id))) for token_id in self._control_ids)
        self._controls = AddedTokens(AddedToken(token_id, text, control=True) for token_id, text in controls)

    def encode(self, text: str, *, add_special: bool = True, parse_special: bool = False) -> list[int]:
        require_unicode(text)
        ids: list[int] = [self._vendor.bos_id] if add_special else []
        for piece in self._controls.split(text) if parse_special else (text,):
            if isinstance(piece, AddedToken):
                ids.append(piece.id)
            else:
                ids += self._vendor.encode(piece, bos=False, eos=False)
        return ids

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        return decode_tokens(self, ids, skip_special=skip_special)

    def token_bytes(self, token_id: int) -> bytes:
        if not 0 <= token_id < self.vocab_size:
            raise ValueError(f"token id {token_id} is not in this vocabulary of {self.vocab_size} tokens")
        if token_id in self._control_ids:
            return b""
        if self._bytes_of is not None:
            return bytes(self._bytes_of(token_id))
        return sentencepiece_bytes(self._vendor.id_to_piece(token_id))

    def token_text(self, token_id: int) -> str:
        if token_id in self._control_ids:
            return str(self._vendor.id_to_piece(token_id))
        return self.token_bytes(token_id).decode("utf-8", errors="replace")

    def token_piece(self, token_id: int) -> str:
        return str(self._vendor.id_to_piece(token_id))

    @property
    def control_tokens(self) -> Mapping[str, int]:
        return {self.token_text(token_id): token_id for token_id in self._control_ids}

    def is_control(self, token_id: int) -> bool:
        return token_id in self._control_ids

    def starts_text(self, previous_ids: Sequence[int]) -> bool:
        spaced = self._bytes_of is None
        return spaced and (not previous_ids or previous_ids[-1] in self._control_ids)


class MistralTemplate:
    """A :class:`~aquilon.text.template.ChatTemplate`: requests are checked and encoded by mistral-common itself."""

    def __init__(self, vendor: Any) -> None:
        self._vendor = vendor

    @property
    def version(self) -> int:
        """Of the format: 1, 2, 3, 7, 11, 13."""
        return int(self._vendor.instruct_tokenizer.version.version_num)

    def compile(self) -> None:
        """There is nothing to compile."""

    def try_out(self) -> None:
        self.encode([Message("user", "a")])

    def encode_fill(self, prefix: str, suffix: str) -> list[int]:
        """The prompt with the text before and after a gap, for a model that fills it. Raises TemplateError."""
        from mistral_common.exceptions import MistralCommonException
        from mistral_common.protocol.fim.request import FIMRequest

        try:
            require_unicode(prefix + suffix)
            ids: list[int] = self._vendor.encode_fim(FIMRequest(prompt=prefix, suffix=suffix)).tokens
        except (MistralCommonException, ValueError) as error:
            raise TemplateError(f"the model's format refuses this text: {_reason(error)}") from None
        return ids

    def encode(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        add_generation_prompt: bool = True,
        continue_final: bool = False,
        variables: Mapping[str, Any] = NO_VARIABLES,
        brief: bool = False,
    ) -> list[int]:
        from mistral_common.exceptions import MistralCommonException
        from mistral_common.protocol.instruct.request import ChatCompletionRequest
        from pydantic import ValidationError

        short_ids, thoughts = self.version < _FREE_CALL_IDS, self._reads_thoughts
        plain = [_plain_message(message, short_ids=short_ids, thoughts=thoughts) for message in messages]
        if continue_final and plain:
            plain[-1]["prefix"] = True
        try:
            for message in messages:
                require_unicode(message.content + message.reasoning)
            request: ChatCompletionRequest[Any] = ChatCompletionRequest.model_validate(
                {
                    "messages": plain,
                    "tools": [_plain_tool(tool) for tool in tools] or None,
                    "reasoning_effort": self._effort(variables),
                }
            )
            is_answered = not (add_generation_prompt or continue_final) and messages[-1].role == "assistant"
            vendor = self._of_answered if is_answered else self._vendor
            ids: list[int] = vendor.encode_chat_completion(request).tokens
        except (MistralCommonException, ValidationError, ValueError, RecursionError) as error:
            raise TemplateError(f"the model's format refuses these messages: {_reason(error)}") from None
        return ids

    @cached_property
    def _of_answered(self) -> Any:
        """The vendor's code for conversations that end with a whole answer, as in training."""
        from mistral_common.protocol.instruct.validator import ValidationMode, get_validator

        return type(self._vendor)(
            self._vendor.instruct_tokenizer,
            validator=get_validator(self._vendor.instruct_tokenizer.version, mode=ValidationMode.finetuning),
            request_normalizer=self._vendor._instruct_request_normalizer,
        )

    @cached_property
    def _reads_thoughts(self) -> bool:
        return getattr(self._vendor.instruct_tokenizer, "BEGIN_THINK", None) is not None

    @cached_property
    def _efforts(self) -> Sequence[str]:
        """The efforts of reasoning that the model was trained for; none for most models."""
        settings = getattr(self._vendor.instruct_tokenizer.tokenizer, "model_settings_builder", None)
        efforts = getattr(settings, "reasoning_effort", None)
        return () if efforts is None else [str(value) for value in efforts.values]

    def _effort(self, variables: Mapping[str, Any]) -> str | None:
        """The effort that the client asks for, or the nearest that the model has; None is the model's default."""
        wanted, efforts = variables.get("reasoning_effort"), self._efforts
        if not efforts or wanted in efforts:
            return wanted if efforts else None
        switch = thinks(variables)
        if switch is None:
            return None
        if not switch:
            return "none" if "none" in efforts else None
        return "high" if "high" in efforts else efforts[-1]


def _plain_message(message: Message, *, short_ids: bool, thoughts: bool) -> dict[str, Any]:
    call_id = _short_id if short_ids else str
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "tool":
        plain["name"] = message.name
        if message.tool_call_id is not None:
            plain["tool_call_id"] = call_id(message.tool_call_id)
    if message.tool_calls:
        plain["content"] = message.content or None
        plain["tool_calls"] = [
            {"id": call_id(call.id), "function": {"name": call.function.name, "arguments": call.function.arguments}}
            for call in message.tool_calls
        ]
    if thoughts and message.reasoning and message.role == "assistant":
        said = [{"type": "text", "text": message.content}] if message.content else []
        plain["content"] = [{"type": "thinking", "thinking": message.reasoning}, *said]
    return plain


def _short_id(call_id: str) -> str:
    """An id of nine letters and digits, which these formats require; the same for the same ``call_id``."""
    if _SHORT_ID.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode()).digest())
    return "".join(_LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in range(9))


def _plain_tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
