"""llama.cpp as an oracle, reached through the server that the ``xllamacpp`` package carries."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import xllamacpp


class LlamaCppTokenizer:
    """The tokenizer of one GGUF file, until this object goes."""

    def __init__(self, path: Path, *, context: int = 64) -> None:
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = context
        parameters.n_parallel = 1
        parameters.warmup = False
        parameters.verbosity = -1
        self._server = xllamacpp.Server(parameters)

    def encode(self, text: str, *, add_special: bool = False) -> list[int]:
        """Ids of plain text: control tokens' strings stay text."""
        body = {"content": text, "add_special": add_special, "parse_special": False}
        tokens: list[int] = self._post("/tokenize", body)["tokens"]
        return tokens

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            self._server.listening_address + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)


class LlamaCppModel(LlamaCppTokenizer):
    """The model of one GGUF file, until this object goes."""

    def greedy(self, prompt_ids: list[int], count: int) -> list[int]:
        """The most likely continuation."""
        body = {"prompt": prompt_ids, "n_predict": count, "top_k": 1, "return_tokens": True, "cache_prompt": False}
        tokens: list[int] = self._post("/completion", body)["tokens"]
        return tokens
