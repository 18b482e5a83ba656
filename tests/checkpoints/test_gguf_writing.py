"""GGUF files that we write: the same model and the same tokens for us, for transformers and for llama.cpp."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.support.greedy_answers import check_same_but_for_ties, greedy
from tests.support.llama_cpp import LlamaCppModel
from tests.support.small_releases import SHAPES, small_release, small_tokenizer
from tests.support.tiny_models import length_of, reference_logits, relative_difference, save_tiny_model
from transformers import AutoModelForCausalLM

from aquilon.checkpoints.gguf_writing import GgufType, write_gguf
from aquilon.checkpoints.opening import Checkpoint, open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.checkpoints.text_writing import gguf_vocabulary
from aquilon.checkpoints.weights import load_tensor, load_transformer
from aquilon.models.attention import DenseCausalAttention

PROMPT = "Die Boote warten, les bateaux attendent, the boats wait"


def convert(checkpoint: Checkpoint, path: Path, type_: GgufType = "bf16") -> Checkpoint:
    tensors = checkpoint.tensors()
    write_gguf(
        path,
        checkpoint.architecture,
        lambda name: load_tensor(tensors[name]),
        type_=type_,
        vocabulary=gguf_vocabulary(checkpoint),
    )
    return open_checkpoint(path)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.mark.parametrize(
    "name",
    [
        "llama-tied-biased",
        "llama-linear",
        "llama-llama3",
        "mistral-yarn",
        "mixtral",
        "ministral3",
        "qwen3",
    ],
)
def test_a_model_of_any_family_computes_the_same_out_of_its_gguf(name: str, tmp_path: Path) -> None:
    reference = save_tiny_model(name, tmp_path / "original")
    original = open_checkpoint(tmp_path / "original")
    tensors = original.tensors()

    def rounded(weight: str) -> torch.Tensor:
        return load_tensor(tensors[weight]).bfloat16()

    write_gguf(tmp_path / "model.gguf", original.architecture, rounded, vocabulary={})
    written = load_transformer(open_checkpoint(tmp_path / "model.gguf"))
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.copy_(parameter.bfloat16())
    token_ids = torch.randint(0, original.architecture.vocab_size, (length_of(name),))
    attention = DenseCausalAttention([len(token_ids)], original.architecture)
    logits = written.logits(written(token_ids, torch.arange(len(token_ids)), attention))
    assert relative_difference(logits, reference_logits(reference, token_ids)) <= 1e-4


@pytest.mark.parametrize("family", SHAPES)
def test_greedy_tokens_are_the_same_here_in_transformers_and_in_llama_cpp(
    family: str, tokenizer: Path, tmp_path: Path
) -> None:
    release = small_release(family, tokenizer, tmp_path / "model")
    convert(open_checkpoint(release), tmp_path / "model.gguf")
    prompt = load_text(open_checkpoint(release)).tokenizer.encode(PROMPT)
    theirs = AutoModelForCausalLM.from_pretrained(release, dtype=torch.float32)
    generated = theirs.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False, eos_token_id=None)
    expected = generated[0, len(prompt) :].tolist()
    logits = reference_logits(theirs, generated[0])[len(prompt) - 1 :]
    llama_cpp = LlamaCppModel(tmp_path / "model.gguf", context=256)
    assert llama_cpp.encode(PROMPT, add_special=True) == prompt
    answers = {
        "our server": greedy(release, prompt),
        "our server, from the GGUF": greedy(tmp_path / "model.gguf", prompt),
        "llama.cpp": llama_cpp.greedy(prompt, 24),
    }
    for where, answer in answers.items():
        check_same_but_for_ties(where, answer, expected, logits)


@pytest.mark.parametrize(("type_", "tolerance"), [("q8_0", 0.005), ("q4_0", 0.15)])
def test_blocks_of_8_and_4_bits_open_here_and_in_llama_cpp(
    type_: GgufType, tolerance: float, tokenizer: Path, tmp_path: Path
) -> None:
    release = open_checkpoint(small_release("llama", tokenizer, tmp_path / "model"))
    written = convert(release, tmp_path / "model.gguf", type_)
    assert written.eos_ids == release.eos_ids
    types = {entry.block_type for entry in written.tensors().values()}
    assert types == ({"F32", "Q8_0"} if type_ == "q8_0" else {"F32", "Q8_0", "Q4_0"})
    prompt = load_text(written).tokenizer.encode(PROMPT)
    assert prompt == load_text(release).tokenizer.encode(PROMPT)
    assert len(greedy(tmp_path / "model.gguf", prompt)) == 24
    assert len(LlamaCppModel(tmp_path / "model.gguf", context=256).greedy(prompt, 4)) == 4
    for name, entry in written.tensors().items():
        exact = load_tensor(release.tensors()[name]).float()
        assert (load_tensor(entry) - exact).abs().max() <= tolerance * exact.abs().max()


def test_a_chat_template_and_the_tokens_that_end_texts_are_kept(tokenizer: Path, tmp_path: Path) -> None:
    release = open_checkpoint(small_release("qwen3", tokenizer, tmp_path / "model", padding=8))
    written = convert(release, tmp_path / "model.gguf")
    ours, theirs = load_text(written), load_text(release)
    assert ours.template is not None
    assert theirs.template is not None
    assert ours.tokenizer.eos_ids == theirs.tokenizer.eos_ids
    assert ours.tokenizer.control_tokens == theirs.tokenizer.control_tokens
    assert written.metadata["tokenizer.chat_template"] == (tokenizer / "chat_template.jinja").read_text()
    assert len(written.metadata["tokenizer.ggml.tokens"]) == release.architecture.vocab_size


def test_a_model_that_llama_cpp_does_not_compute_is_refused(tmp_path: Path) -> None:
    save_tiny_model("llama-dynamic", tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="DynamicScaling"):
        write_gguf(tmp_path / "model.gguf", checkpoint.architecture, lambda name: torch.empty(0), vocabulary={})
    assert not (tmp_path / "model.gguf").exists()
