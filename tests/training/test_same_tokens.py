"""A model that was trained here and exported writes the same here, in transformers and in llama.cpp.

``AQUILON_TRAINED=RUN`` takes the model of that run in place of one that is trained for this.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from tests.support.greedy_answers import check_same_but_for_ties, greedy
from tests.support.llama_cpp import LlamaCppModel
from tests.support.tiny_models import reference_logits
from tests.support.training_runs import train
from transformers import AutoModelForCausalLM

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.training.export import export
from aquilon.training.export_protocol import Format, Order
from aquilon.training.protocol import FINISHED, Pretrain, Size, Source, Training
from aquilon.training.tokenizer import train_tokenizer

SENTENCES = (
    "The sea rises and falls twice a day, and the boats wait for the water.",
    "At low tide children look for shells between the stones of the harbour.",
    "La mer monte et descend deux fois par jour, et les bateaux attendent l'eau.",
    "À marée basse, les enfants cherchent des coquillages entre les pierres du port.",
    "Das Meer steigt und fällt zweimal am Tag, und die Boote warten auf das Wasser.",
    "Bei Ebbe suchen die Kinder zwischen den Steinen am Hafen nach Muscheln.",
    "El mar sube y baja dos veces al día, y los barcos esperan el agua.",
    "Con la marea baja los niños buscan conchas entre las piedras del puerto.",
    "Il mare sale e scende due volte al giorno, e le barche aspettano l'acqua.",
    "Con la bassa marea i bambini cercano conchiglie tra le pietre del porto.",
)
PROMPTS = tuple(" ".join(sentence.split()[:4]) for sentence in SENTENCES)
TOKENS = 24


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if given := os.environ.get("AQUILON_TRAINED"):
        return Path(given)
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tides.txt").write_text("\n".join(SENTENCES * 400), encoding="utf-8")
    train_tokenizer(iter(SENTENCES), 512, folder / "tokenizer")
    job = Pretrain(
        data=[Source(path=str(folder / "tides.txt"))],
        tokenizer=str(folder / "tokenizer"),
        model=Size(depth=2, hidden_size=64, context=64),
        training=Training(steps=150, batch_tokens=1024, precision="float32"),
    )
    assert train(folder / "run", job) == FINISHED
    return folder / "run"


def exported(run: Path, out: Path, format_: Format) -> Path:
    export(Order(source=str(run), name="tides", out=str(out), format=format_, type="bf16"), lambda message: None)
    return next(out.glob("*.gguf")) if format_ == "gguf" else out


@pytest.mark.slow
def test_the_greedy_tokens_of_a_trained_model_are_the_same_in_all_three(run: Path, tmp_path: Path) -> None:
    folder, file = exported(run, tmp_path / "hf", "hf"), exported(run, tmp_path / "gguf", "gguf")
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    llama_cpp = LlamaCppModel(file, context=256)
    tokenizer = load_text(open_checkpoint(folder)).tokenizer
    for text in PROMPTS:
        prompt = tokenizer.encode(text)
        assert llama_cpp.encode(text, add_special=True) == prompt
        generated = theirs.generate(torch.tensor([prompt]), max_new_tokens=TOKENS, do_sample=False, eos_token_id=None)
        expected = generated[0, len(prompt) :].tolist()
        logits = reference_logits(theirs, generated[0])[len(prompt) - 1 :]
        answers = {
            "our server": greedy(folder, prompt),
            "our server, from the GGUF": greedy(file, prompt),
            "llama.cpp": llama_cpp.greedy(prompt, TOKENS),
        }
        print(repr(text), repr(tokenizer.decode(expected)))
        for where, answer in answers.items():
            assert len(answer) == TOKENS, f"{where} ends early after {text!r}"
            check_same_but_for_ties(f"{where}, after {text!r}", answer, expected, logits)
