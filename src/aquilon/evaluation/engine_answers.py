"""Answers by an engine process on this machine: what the server would answer."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing
from pathlib import Path

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.engine.client import Engine, EngineError
from aquilon.engine.options import Dtype, EngineOptions
from aquilon.engine.protocol import SamplingParameters, SequenceRequest
from aquilon.evaluation.answering import Drawing, NoAnswer
from aquilon.evaluation.prompting import Prompt
from aquilon.evaluation.protocol import PromptForm
from aquilon.text.detokenizer import Detokenizer
from aquilon.text.model import TextModel
from aquilon.text.stop import StopMatcher
from aquilon.text.template_errors import TemplateError

_NAME = "evaluated"
_LOAD_SECONDS = 3600.0


class EngineAnswers:
    """One model in an engine process."""

    def __init__(self, engine: Engine, text: TextModel, *, chat: bool, context: int, stops: frozenset[int]) -> None:
        self.chat = chat
        self._engine, self._text, self._context, self._stops = engine, text, context, tuple(sorted(stops))
        self._numbers = itertools.count()

    @classmethod
    async def start(cls, path: Path, *, dtype: Dtype, form: PromptForm) -> EngineAnswers:
        """Start the process and load the checkpoint. Raises NoAnswer, and what opening it raises."""
        checkpoint, text = await asyncio.to_thread(_opened, path)
        if form == "chat" and text.template is None:
            raise NoAnswer(f"{path} has no chat template: it can only be asked in plain text (--prompts text)")
        engine = Engine(EngineOptions(dtype=dtype, log_level="warning"), load_patience=_LOAD_SECONDS)
        await engine.start()
        try:
            state = await engine.load(_NAME, path)
        except EngineError as error:
            await engine.stop()
            raise NoAnswer(error.message.replace(f"'{_NAME}'", str(path))) from None
        return cls(
            engine,
            text,
            chat=form != "text" and text.template is not None,
            context=state.max_context,
            stops=checkpoint.eos_ids,
        )

    async def answer(self, prompt: Prompt, drawing: Drawing) -> str:
        prompt_ids = self._encoded(prompt)
        room = self._context - len(prompt_ids)
        if room <= 0:
            raise NoAnswer(
                f"a question has {len(prompt_ids):,} tokens with its examples, and the model takes {self._context:,}: "
                "fewer examples need less"
            )
        request = SequenceRequest(
            id=f"question-{next(self._numbers)}",
            model=_NAME,
            prompt_ids=prompt_ids,
            sampling=SamplingParameters(
                temperature=drawing.temperature,
                top_p=drawing.top_p,
                seed=drawing.seed,
                max_tokens=min(drawing.max_tokens, room),
            ),
        )
        # The marks around thoughts may be control tokens, and are needed to tell thoughts from the answer.
        detokenizer = Detokenizer(
            self._text.tokenizer, prompt_ids, names_control=self._text.reasoning is not None and self.chat
        )
        matcher = StopMatcher(() if self.chat else drawing.stop)
        written: list[str] = []
        try:
            async with aclosing(self._engine.generate(request)) as outputs:
                async for output in outputs:
                    ids = output.token_ids[:-1] if output.finish_reason == "stop" else output.token_ids
                    text, ended = matcher.add(detokenizer.add(ids))
                    written.append(text)
                    if ended:
                        return "".join(written)
        except EngineError as error:
            raise NoAnswer(error.message) from None
        text, _ = matcher.add(detokenizer.finish())
        return "".join([*written, text, matcher.finish()])

    async def aclose(self) -> None:
        await self._engine.stop()

    def _encoded(self, prompt: Prompt) -> list[int]:
        if not self.chat or self._text.template is None:
            return self._text.tokenizer.encode(prompt.text)
        try:
            return self._text.template.encode(prompt.messages)
        except TemplateError as error:
            raise NoAnswer(f"the model's chat template refuses these messages: {error}") from None


def _opened(path: Path) -> tuple[Checkpoint, TextModel]:
    checkpoint = open_checkpoint(path)
    return checkpoint, load_text(checkpoint)
