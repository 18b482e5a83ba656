"""llama.cpp as an oracle: its tokenizer, reached through the server that the ``xllamacpp`` package carries."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import xllamacpp


class LlamaCppTokenizer:
    """The tokenizer of one GGUF file, until this object goes."""

    def __init__(self, path: Path) -> None:
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = 64
        parameters.n_parallel = 1
        parameters.warmup = False
        parameters.verbosity = -1
        self._server = xllamacpp.Server(parameters)

    def encode(self, text: str, *, add_special: bool = False) -> list[int]:
        """Ids of plain text: control tokens' strings stay text."""
        body = {"content": text, "add_special": add_special, "parse_special": False}
        request = urllib.request.Request(
            self._server.listening_address + "/tokenize",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            tokens: list[int] = json.load(response)["tokens"]
        return tokens
