"""Adapters that peft wrote, over plain and quantized bases: the same logits as peft's, and refusals with both names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.commands import aquilon, run_aquilon
from tests.support.loaded_models import answer_all
from tests.support.small_releases import small_release, small_tokenizer
from tests.support.tiny_models import reference_logits, relative_difference
from torch import Tensor
from transformers import AutoModelForCausalLM

from aquilon.catalogue.card import LocalModel
from aquilon.checkpoints.adapters import OtherBase
from aquilon.checkpoints.gguf_writing import write_gguf
from aquilon.checkpoints.opening import Checkpoint, CheckpointError, open_checkpoint
from aquilon.checkpoints.store import ModelStore, sha256_of
from aquilon.checkpoints.text import load_text
from aquilon.checkpoints.text_writing import gguf_vocabulary
from aquilon.checkpoints.weights import load_tensor, load_transformer
from aquilon.engine.kernels import available
from aquilon.engine.loading import plan_loading
from aquilon.engine.options import EngineOptions
from aquilon.engine.packed import load_packed
from aquilon.engine.protocol import LoadModel, SamplingParameters, SequenceRequest
from aquilon.models.attention import DenseCausalAttention
from aquilon.training.export import export
from aquilon.training.export_protocol import Order

TOKEN_IDS = torch.arange(3, 60)
ALL_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def logits_of(checkpoint: Checkpoint) -> Tensor:
    model = load_transformer(checkpoint)
    attention = DenseCausalAttention([len(TOKEN_IDS)], checkpoint.architecture)
    return model.logits(model(TOKEN_IDS, torch.arange(len(TOKEN_IDS)), attention))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return small_release("llama", small_tokenizer(folder / "tokenizer"), folder / "base")


def peft_model(base: Path, **options: Any) -> peft.PeftModel:
    """An adapter whose updates change the logits."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=6, **({"target_modules": ALL_TARGETS} | options))
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    return adapted.eval()


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    peft_model(base).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def edit_config(adapter: Path, **changes: Any) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"target_modules": ["q_proj", "down_proj"]}])
def test_an_adapter_computes_what_peft_computes(options: dict[str, Any], base: Path, tmp_path: Path) -> None:
    adapted = peft_model(base, **options)
    adapted.save_pretrained(tmp_path / "adapter")
    checkpoint = open_checkpoint(tmp_path / "adapter")
    expected = reference_logits(adapted, TOKEN_IDS)  # type: ignore[arg-type]
    assert relative_difference(logits_of(checkpoint), expected) <= 1e-4
    assert relative_difference(logits_of(open_checkpoint(base)), expected) > 0.1
    assert checkpoint.base is not None
    assert checkpoint.base.path == base
    assert load_text(checkpoint).tokenizer.encode("the sea") == load_text(checkpoint.base).tokenizer.encode("the sea")


def test_an_adapter_is_exported_merged(adapter: Path, tmp_path: Path) -> None:
    order = Order(source=str(adapter), name="merged", format="hf", type="bf16", out=str(tmp_path / "merged"))
    export(order, lambda message: None)
    merged, lazy = open_checkpoint(tmp_path / "merged"), open_checkpoint(adapter)
    assert merged.base is None
    for name, entry in lazy.tensors().items():
        assert torch.equal(load_tensor(merged.tensors()[name]), load_tensor(entry).bfloat16())
    assert load_text(merged).template is not None


@pytest.mark.skipif(not available(), reason="no native kernels on this machine")
def test_updated_blocks_of_a_quantized_base_are_held_as_8_bits_and_others_as_they_are(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    original = open_checkpoint(base)
    tensors = original.tensors()
    write_gguf(
        tmp_path / "base.gguf",
        original.architecture,
        lambda name: load_tensor(tensors[name]),
        type_="q4_0",
        vocabulary=gguf_vocabulary(original),
    )
    updates = load_file(adapter / "adapter_model.safetensors")
    save_file(
        {name: value for name, value in updates.items() if ".v_proj." in name}, adapter / "adapter_model.safetensors"
    )
    edit_config(adapter, base_model_name_or_path=str(tmp_path / "base.gguf"))
    checkpoint = open_checkpoint(adapter)
    packed = load_packed(checkpoint, bits=None, progress=lambda share: None)
    qkv: Any = packed.layers[0].attention.qkv
    assert [matrix.bits for matrix in qkv.matrices] == [4, 4, 8]
    planned = plan_loading(LoadModel("m", str(adapter)), EngineOptions(threads=1, kv_tokens=256))
    assert planned.packed
    sampling = SamplingParameters(temperature=0, max_tokens=8, ignore_eos=True)
    request = SequenceRequest(id="r", model="m", prompt_ids=TOKEN_IDS.tolist(), sampling=sampling)
    answer = answer_all(planned.load(planned.limit, lambda share: None), [request])["r", 0]
    first = logits_of(checkpoint)[-1]
    assert first[answer.token_ids[0]] >= first.max() - 0.5


def test_an_adapter_with_a_chat_template_of_its_own_uses_it(base: Path, adapter: Path) -> None:
    (adapter / "chat_template.jinja").write_text("{% for m in messages %}[{{ m.content }}]{% endfor %}")
    shutil.copyfile(base / "tokenizer.json", adapter / "tokenizer.json")
    checkpoint = open_checkpoint(adapter)
    template = load_text(checkpoint).template
    assert template is not None
    assert gguf_vocabulary(checkpoint)["tokenizer.chat_template"].startswith("{% for m in")


def test_an_adapter_for_another_base_is_refused_with_both_names(base: Path, adapter: Path, tmp_path: Path) -> None:
    sums = {"model.safetensors": sha256_of(base / "model.safetensors")}
    edit_config(adapter, base_model_name_or_path=str(base), aquilon_base={"files": sums})
    assert open_checkpoint(adapter).base is not None
    other = small_release("llama", base.parent / "tokenizer", tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    save_file({name: value * 2 for name, value in weights.items()}, other / "model.safetensors", {"format": "pt"})
    edit_config(adapter, base_model_name_or_path=str(other))
    with pytest.raises(OtherBase, match=r"another model\.safetensors than this model's, which is other"):
        open_checkpoint(adapter)


def test_a_base_of_another_shape_is_refused_with_the_weight(adapter: Path) -> None:
    updates = load_file(adapter / "adapter_model.safetensors")
    updates["base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"] = torch.zeros(32, 4)
    save_file(updates, adapter / "adapter_model.safetensors")
    with pytest.raises(OtherBase, match=r"than base: it updates layers\.1\.mlp\.down\.weight .* has \[64, 128\]"):
        open_checkpoint(adapter)


def test_an_adapter_with_another_vocabulary_is_refused_with_the_token(base: Path, adapter: Path) -> None:
    state = json.loads((base / "tokenizer.json").read_text())
    state["added_tokens"].append(state["added_tokens"][0] | {"content": "<|new|>", "id": 399})
    (adapter / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(OtherBase, match=r"'<\|new\|>' is token 399; in its base base there is none"):
        open_checkpoint(adapter)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"bias": "all"}, "bias"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa"),
        ({"r": 8}, "the rank is 8"),
        ({"r": 0}, "r is 0"),
        ({"base_model_name_or_path": "acme/nowhere"}, "is an adapter for acme/nowhere, which isn't on this machine"),
        ({"base_model_name_or_path": None}, "a model that it doesn't name"),
    ],
)
def test_what_is_not_plain_lora_over_a_model_here_is_refused_by_name(
    changes: dict[str, Any], words: str, adapter: Path
) -> None:
    edit_config(adapter, **changes)
    with pytest.raises(CheckpointError, match=words):
        open_checkpoint(adapter)


@pytest.mark.parametrize("place", ["models/adapter", "fine_tuning/models/job-1", "runs/model"])
def test_an_adapter_in_a_home_that_was_moved_finds_its_base_by_name(
    place: str, base: Path, adapter: Path, tmp_path: Path
) -> None:
    edit_config(adapter, base_model_name_or_path="/gone/models/tides")
    shutil.copytree(base, tmp_path / "home" / "models" / "tides")
    adapter = Path(shutil.copytree(adapter, tmp_path / "home" / place))
    checkpoint = open_checkpoint(adapter)
    assert checkpoint.base is not None
    assert checkpoint.base.path == tmp_path / "home" / "models" / "tides"


def test_runs_that_were_moved_together_find_each_other(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit_config(adapter, base_model_name_or_path="/gone/first/model")
    with pytest.raises(CheckpointError, match="Pull that model first, under the name 'first'"):
        open_checkpoint(adapter)
    shutil.copytree(adapter, tmp_path / "runs" / "tuned" / "model")
    shutil.copytree(base, tmp_path / "runs" / "first" / "model")
    monkeypatch.chdir(tmp_path / "runs")
    checkpoint = open_checkpoint(Path("tuned/model"))
    assert checkpoint.base is not None
    assert checkpoint.base.path == tmp_path / "runs" / "first" / "model"


def test_an_adapter_whose_base_is_itself_is_refused(adapter: Path) -> None:
    edit_config(adapter, base_model_name_or_path=str(adapter))
    with pytest.raises(CheckpointError, match="on top of 4 others"):
        open_checkpoint(adapter)


def test_an_adapter_is_pulled_over_its_base_which_then_stays(base: Path, adapter: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    edit_config(adapter, base_model_name_or_path="acme/tides")
    missing = run_aquilon(home, "pull", str(adapter), "--name", "tuned")
    assert missing.code == 1
    assert "Pull that model first, under the name 'tides'" in missing.err
    aquilon(home, "pull", str(base), "--name", "tides")
    pulled = json.loads(aquilon(home, "pull", str(adapter), "--name", "tuned", "--json"))
    assert (pulled["base"], pulled["chat"], pulled["parameters"] > 0) == ("tides", True, True)
    assert {file["path"] for file in pulled["files"]} >= {"adapter_config.json", "adapter_model.safetensors"}
    assert "tides" in aquilon(home, "models", "show", "tuned")
    assert LocalModel.of(ModelStore(home / "models").get("tuned")).adapter_of == "tides"
    refused = run_aquilon(home, "models", "remove", "tides")
    assert refused.code == 1
    assert "'tides' is the base of 'tuned'" in refused.err
    aquilon(home, "models", "remove", "tuned")
    aquilon(home, "models", "remove", "tides")
