"""A conversation's turns, and how the next question is asked; independent of the terminal."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aquilon.cli.chat.client import Answer, ChatClient, Model
from aquilon.cli.errors import CommandError


@dataclass(kw_only=True)
class Conversation:
    client: ChatClient
    model: str
    system: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """Sampling options of the request's body."""
    turns: list[dict[str, str]] = field(default_factory=list)

    def ask(self, question: str) -> tuple[Answer, Generator[str]]:
        """The answer, filled while its pieces are read. What was received stays if it is stopped."""
        self.turns.append({"role": "user", "content": question})
        return self._answer()

    def retry(self) -> tuple[Answer, Generator[str]]:
        """Ask the last question again. Raises CommandError if there is none."""
        while self.turns and self.turns[-1]["role"] == "assistant":
            self.turns.pop()
        if not self.turns:
            raise CommandError("There is nothing to ask again yet")
        return self._answer()

    def clear(self) -> None:
        self.turns.clear()

    def choose(self, name: str, models: list[Model]) -> None:
        """Use another model from now on. Raises CommandError, with the server's models, for an unknown one."""
        names = [model.id for model in models]
        if name not in names:
            raise CommandError(f"There is no model '{name}'; there are: {', '.join(names) or 'none'}")
        self.model = name

    def save(self, path: Path) -> None:
        """Write JSON if the name ends in ``.json``, else markdown."""
        if path.suffix == ".json":
            messages = self._messages()
            text = json.dumps({"model": self.model, "messages": messages}, ensure_ascii=False, indent=2) + "\n"
        else:
            titles = {"system": "System", "user": "You", "assistant": self.model}
            text = "\n".join(f"## {titles[turn['role']]}\n\n{turn['content']}\n" for turn in self._messages())
        path.expanduser().write_text(text, encoding="utf-8")

    def _messages(self) -> list[dict[str, str]]:
        return [{"role": "system", "content": self.system}, *self.turns] if self.system else list(self.turns)

    def _answer(self) -> tuple[Answer, Generator[str]]:
        answer = Answer(self.model)
        return answer, self._pieces(answer)

    def _pieces(self, answer: Answer) -> Generator[str]:
        pieces = self.client.answer(self.model, self._messages(), options=self.options, answer=answer)
        try:
            yield from pieces
        finally:
            if answer.text:
                self.turns.append({"role": "assistant", "content": answer.text})
            elif answer.finish_reason is None:
                self.turns.pop()  # without any answer the question can be asked again
