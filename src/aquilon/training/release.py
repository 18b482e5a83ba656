"""A finished run's model, as a folder that this server, transformers, vLLM and llama.cpp's converter load."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.hugging_face_config import config_from_architecture
from aquilon.checkpoints.hugging_face_writing import write_hugging_face
from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.checkpoints.text_writing import copy_tokenizer, write_text
from aquilon.checkpoints.weights import unfused
from aquilon.checkpoints.whole_folder import whole_folder, write_sums
from aquilon.models.transformer import Transformer
from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.training.data.preparing import ENDS_OF_DOCUMENTS
from aquilon.training.model_card import model_card
from aquilon.training.parallelize import whole
from aquilon.training.protocol import CARD, MODEL, TOKENIZER, Job, Pretrain, UnusableJob, base_of

_RECOMPUTED = "_checkpoint_wrapped_module."
"""What activation checkpointing puts into the names of parameters."""


def release(run: Path, transformer: Transformer, job: Job, *, is_first: bool) -> None:
    """Write the model under MODEL in bf16, with its card and sums, whole or not at all.

    All ranks call it: each may hold a part of the weights.
    """
    parameters: dict[str, Tensor] = {}
    for name, parameter in transformer.named_parameters():
        gathered = whole(parameter)
        if is_first:
            parameters[name.replace(_RECOMPUTED, "")] = gathered.to("cpu", torch.bfloat16)
    if not is_first:
        return
    weights = unfused(parameters, transformer.architecture)
    with whole_folder(run / MODEL, replace=True) as folder:
        text = RunText(run, job)
        write_hugging_face(
            folder, transformer.architecture, weights.__getitem__, bos_id=text.bos_id, eos_ids=text.eos_ids
        )
        text.write(folder)
        complete(run, folder, job)


def complete(run: Path, folder: Path, job: Job) -> None:
    """Write what a released folder has beside weights and tokenizer: the model card and the sums of its files."""
    (folder / CARD).write_text(model_card(run, job), "utf-8")
    write_sums(folder)


def require_releasable(base: Checkpoint) -> None:
    """Raises UnusableJob, before any step is taken, for a base whose trained weights couldn't be written at the end."""
    try:
        config_from_architecture(base.architecture)
    except ValueError as error:
        raise UnusableJob(f"model: {base.path} can be tuned with an adapter (--lora) only: {error}") from None
    kind = base.metadata.get("tokenizer.ggml.model", "gpt2")
    if base.format == "gguf" and kind != "gpt2":
        raise UnusableJob(
            f"model: {base.path} can be tuned with an adapter (--lora) only: its vocabulary is of the kind '{kind}', "
            "which isn't written as tokenizer.json. The same model as a folder of transformers' can be tuned whole"
        )


class RunText:
    """The tokenizer and chat template of the model that a run trains."""

    def __init__(self, run: Path, job: Job) -> None:
        path = base_of(job)
        base = None if path is None else open_checkpoint(Path(path))
        self._folder = run / TOKENIZER if isinstance(job, Pretrain) else None
        self._base = base
        if base is not None:
            self.bos_id, self.eos_ids = load_text(base).tokenizer.bos_id, base.eos_ids
            return
        tokenizer = tokenizer_from_folder(run / TOKENIZER)
        controls = tokenizer.control_tokens
        # A model that only continues text ends with a document; its tokenizer names the end of a turn alone.
        documents = {controls[name] for name in ENDS_OF_DOCUMENTS if name in controls}
        self.bos_id, self.eos_ids = tokenizer.bos_id, tokenizer.eos_ids | documents

    def write(self, folder: Path) -> None:
        """Raises TokenizerError for a base whose vocabulary isn't written as ``tokenizer.json``."""
        if self._folder is not None:
            copy_tokenizer(self._folder, folder)
        elif self._base is not None:
            write_text(self._base, folder)
