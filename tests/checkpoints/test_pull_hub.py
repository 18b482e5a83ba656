"""Pulls from a hub: a model is complete or absent, a pull resumes, and every file is one that the hub lists."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.hub import FakeHub, HubRepository, fake_hub
from tests.support.tiny_checkpoint import tiny_checkpoint

from aquilon.checkpoints import pull_hub
from aquilon.checkpoints.arrival import PullError
from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.pull_hub import HubSource, Licence, parse_hub_source
from aquilon.checkpoints.store import ModelDamaged, ModelStore
from aquilon.checkpoints.tensors import CheckpointError
from aquilon.models.architecture import UnsupportedArchitecture

TINY = "hf:eagle/Tiny-Llama"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr(pull_hub, "_RETRY_AFTER", (0.0, 0.0, 0.0))
        card = {"license": "apache-2.0", "language": ["en", "fr"]}
        hub.repositories["eagle/Tiny-Llama"] = HubRepository(
            {**tiny_checkpoint(), "pytorch_model.bin": b"pickle", "onnx/model.onnx": b"onnx"}, card=card
        )
        yield hub


def weights_requests(hub: FakeHub) -> list[str | None]:
    return [range_ for path, range_, _ in hub.requests if path.startswith("/content/")]


def test_a_model_is_pulled_with_its_cards_facts_and_only_the_files_that_we_serve(
    hub: FakeHub, store: ModelStore
) -> None:
    model = pull(TINY, store)
    assert (model.name, model.source, model.revision) == ("Tiny-Llama", TINY, "c0ffee" + "0" * 34)
    assert (model.license, model.languages, model.family, model.chat) == ("apache-2.0", ["en", "fr"], "llama", True)
    assert [file.path for file in model.files] == [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    ]
    assert store.verify("Tiny-Llama") == model
    assert not (store.folder / ".partial" / "Tiny-Llama").exists()


def test_pulling_again_asks_the_hub_for_its_commit_and_fetches_nothing(hub: FakeHub, store: ModelStore) -> None:
    first = pull(TINY, store)
    hub.requests.clear()
    assert pull(TINY, store) == first
    assert [path for path, _, _ in hub.requests] == ["/api/models/eagle/Tiny-Llama/revision/main"]


def test_a_new_commit_is_pulled_in_place_of_the_old_one(hub: FakeHub, store: ModelStore) -> None:
    pull(TINY, store)
    hub.repositories["eagle/Tiny-Llama"] = HubRepository(tiny_checkpoint(seed=1), commit="beef" + "0" * 36)
    model = pull(TINY, store)
    assert model.revision.startswith("beef")
    assert (model.path / "model.safetensors").read_bytes() == tiny_checkpoint(seed=1)["model.safetensors"]


def test_a_connection_that_breaks_in_mid_file_is_resumed(hub: FakeHub, store: ModelStore) -> None:
    hub.break_after = [1000, 5000, 0]
    pull(TINY, store)
    assert weights_requests(hub) == [None, "bytes=1000-", "bytes=6000-", "bytes=6000-"]
    store.verify("Tiny-Llama")


def test_a_server_without_ranges_is_asked_again_from_the_beginning(hub: FakeHub, store: ModelStore) -> None:
    hub.ranges = False
    hub.break_after = [1000]
    pull(TINY, store)
    store.verify("Tiny-Llama")


def test_an_unreachable_hub_ends_the_pull_and_the_next_pull_continues_it(hub: FakeHub, store: ModelStore) -> None:
    hub.break_after = [1000, 0, 0, 0]
    with pytest.raises(PullError, match=r"broke at model\.safetensors .* the same command resumes from there"):
        pull(TINY, store)
    assert store.list() == []
    hub.requests.clear()
    pull(TINY, store)
    assert weights_requests(hub) == ["bytes=1000-"]
    assert [path for path, _, _ in hub.requests if path.endswith("config.json")] == []
    store.verify("Tiny-Llama")


def test_the_next_pull_continues_an_interrupted_one(hub: FakeHub, store: ModelStore) -> None:
    def interrupt(phase: str, done: int, total: int | None, file: str) -> None:
        if file == "model.safetensors":
            raise KeyboardInterrupt

    hub.break_after = [1000]
    with pytest.raises(KeyboardInterrupt):
        pull(TINY, store, progress=interrupt)
    assert store.list() == []
    hub.requests.clear()
    pull(TINY, store)
    assert weights_requests(hub) == ["bytes=1000-"]


def test_files_of_another_commit_are_not_resumed(hub: FakeHub, store: ModelStore) -> None:
    hub.break_after = [1000, 0, 0, 0]
    with pytest.raises(PullError):
        pull(TINY, store)
    hub.repositories["eagle/Tiny-Llama"] = HubRepository(tiny_checkpoint(seed=1), commit="beef" + "0" * 36)
    hub.requests.clear()
    pull(TINY, store)
    assert weights_requests(hub) == [None]


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_differs_from_the_hubs_list_is_refused_by_name(hub: FakeHub, store: ModelStore, file: str) -> None:
    right = hub.repositories["eagle/Tiny-Llama"].files[file]
    hub.served[file] = right[:-1] + b"!"
    with pytest.raises(ModelDamaged, match=rf"{file} of eagle/Tiny-Llama is altered"):
        pull(TINY, store)
    assert store.list() == []
    del hub.served[file]
    pull(TINY, store)
    store.verify("Tiny-Llama")


@pytest.mark.parametrize("file", ["tokenizer.json", "model.safetensors"])
def test_a_file_that_cannot_be_read_is_named_by_its_name_in_the_model(
    hub: FakeHub, store: ModelStore, file: str
) -> None:
    hub.repositories["eagle/Tiny-Llama"] = HubRepository(tiny_checkpoint() | {file: b"{"})
    with pytest.raises(CheckpointError) as caught:
        pull(TINY, store)
    assert str(caught.value).startswith((f"{file}: ", f"{TINY}: "))
    assert str(store.folder) not in str(caught.value)


def test_a_file_longer_than_listed_is_refused_without_being_read_to_its_end(hub: FakeHub, store: ModelStore) -> None:
    hub.served["model.safetensors"] = hub.repositories["eagle/Tiny-Llama"].files["model.safetensors"] + b"x" * 5_000_000
    with pytest.raises(ModelDamaged, match=r"model\.safetensors of eagle/Tiny-Llama is longer"):
        pull(TINY, store)


def test_the_token_is_sent_to_the_hub_and_never_to_the_content_server(
    hub: FakeHub, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pull(TINY, store)
    sent = {path.startswith("/content/"): authorization for path, _, authorization in hub.requests}
    assert sent == {False: "Bearer hf_secret", True: None}


def gate(hub: FakeHub) -> None:
    hub.token = "hf_member"
    repository = hub.repositories["eagle/Tiny-Llama"]
    repository.gated = "manual"
    repository.card = {"license": "other", "license_name": "eagle-community", "license_link": "https://eagle.test/l"}
    repository.card["extra_gated_prompt"] = "You agree to feed the eagle."


def test_a_gated_model_is_pulled_once_its_licence_was_shown_and_agreed_to(
    hub: FakeHub, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate(hub)
    monkeypatch.setenv("HF_TOKEN", "hf_member")
    shown: list[Licence] = []
    model = pull(TINY, store, agree=lambda licence: shown.append(licence) is None)
    assert shown == [
        Licence(
            repository="eagle/Tiny-Llama",
            name="eagle-community",
            url="https://eagle.test/l",
            text="You agree to feed the eagle.",
            page=f"{hub.endpoint}/eagle/Tiny-Llama",
        )
    ]
    assert (model.license, model.license_url) == ("eagle-community", "https://eagle.test/l")


def test_a_gated_model_is_not_pulled_without_agreement_or_token_or_access(
    hub: FakeHub, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate(hub)
    with pytest.raises(PullError, match=rf"is gated: accept its licence at {hub.endpoint}/eagle/Tiny-Llama.*HF_TOKEN"):
        pull(TINY, store, agree=lambda _: True)
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    with pytest.raises(PullError, match="not agreed to"):
        pull(TINY, store, agree=lambda _: False)
    with pytest.raises(PullError, match="The account of HF_TOKEN may not read eagle/Tiny-Llama"):
        pull(TINY, store, agree=lambda _: True)
    assert store.list() == []


def test_an_architecture_that_cannot_be_served_is_refused_before_its_weights_are_fetched(
    hub: FakeHub, store: ModelStore
) -> None:
    hub.repositories["eagle/Tiny-Llama"].files = tiny_checkpoint(architecture="MambaForCausalLM")
    with pytest.raises(UnsupportedArchitecture, match=r"(?i)mamba"):
        pull(TINY, store)
    assert weights_requests(hub) == []
    assert not (store.folder / ".partial" / "Tiny-Llama").exists()


def test_an_unsupported_gguf_is_refused_before_it_is_fetched(hub: FakeHub, store: ModelStore) -> None:
    hub.repositories["eagle/Gguf"] = HubRepository({"m.gguf": b"GGUF"}, gguf={"architecture": "rwkv6", "total": 7})
    with pytest.raises(UnsupportedArchitecture, match="rwkv6"):
        pull("hf:eagle/Gguf", store)
    assert weights_requests(hub) == []


def test_an_unknown_repository_revision_or_file_is_reported(
    hub: FakeHub, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PullError, match="knows no repository eagle/Nothing"):
        pull("hf:eagle/Nothing", store)
    with pytest.raises(PullError, match="no revision 'v9'"):
        pull(f"{TINY}@v9", store)
    with pytest.raises(PullError, match=r"no file 'other\.gguf'"):
        pull(f"{TINY}/other.gguf", store)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(PullError, match=r"http://127\.0\.0\.1:9 can't be reached"):
        pull(TINY, store)


def test_malformed_fields_of_a_card_are_left_out(hub: FakeHub, store: ModelStore) -> None:
    hub.repositories["eagle/Tiny-Llama"].card = {
        "license": "mit\x1b[2J",
        "license_link": ["https://eagle.test"],
        "language": ["fr", "x" * 17, 7, "\x1b]0;"],
    }
    model = pull(TINY, store)
    assert (model.license, model.license_url, model.languages) == ("", "", ["fr"])


def test_one_of_several_gguf_files_must_be_named(hub: FakeHub, store: ModelStore) -> None:
    hub.repositories["eagle/Tiny-GGUF"] = HubRepository({"tiny-Q4_K_M.gguf": b"four", "tiny-Q8_0.gguf": b"eight!!!"})
    with pytest.raises(PullError, match=r"2 GGUF files: choose one with --file.*tiny-Q4_K_M\.gguf \(4 bytes\)"):
        pull("hf:eagle/Tiny-GGUF", store)


def test_weights_in_pickle_files_are_refused(hub: FakeHub, store: ModelStore) -> None:
    hub.repositories["eagle/Old"] = HubRepository({"config.json": b"{}", "pytorch_model.bin": b"pickle"})
    with pytest.raises(PullError, match="pickle"):
        pull("hf:eagle/Old", store)


def test_a_full_disk_is_noticed_before_a_download(
    hub: FakeHub, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(PullError, match=r"Not enough room for 'Tiny-Llama'.*1 KB free"):
        pull(TINY, store)
    assert weights_requests(hub) == []


def test_a_disk_that_fills_up_ends_the_pull_with_the_reason_and_leaves_nothing(hub: FakeHub, store: ModelStore) -> None:
    def fill_up(phase: str, done: int, total: int | None, file: str) -> None:
        if file == "model.safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        PullError, match=r"The disk of .* is full: 'Tiny-Llama' was not pulled and nothing of it is left"
    ):
        pull(TINY, store, progress=fill_up)
    assert not (store.folder / ".partial" / "Tiny-Llama").exists()


def test_a_name_taken_by_another_source_is_not_overwritten(hub: FakeHub, store: ModelStore) -> None:
    hub.repositories["hawk/Tiny-Llama"] = HubRepository(tiny_checkpoint(seed=1))
    pull(TINY, store)
    with pytest.raises(PullError, match=r"already a model 'Tiny-Llama', from hf:eagle/Tiny-Llama: .*--name"):
        pull("hf:hawk/Tiny-Llama", store)
    assert pull("hf:hawk/Tiny-Llama", store, name="hawk").name == "hawk"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("o/r", HubSource("o/r", "main", None)),
        ("o/r@v1", HubSource("o/r", "v1", None)),
        ("o/r@refs/pr/3", HubSource("o/r", "refs/pr/3", None)),
        ("o/r/q/m.gguf", HubSource("o/r", "main", "q/m.gguf")),
        ("o/r/m.gguf@v1", HubSource("o/r", "v1", "m.gguf")),
        ("o/r@v1/m.gguf", HubSource("o/r", "v1", "m.gguf")),
    ],
)
def test_sources_are_read_as_people_write_them(text: str, source: HubSource) -> None:
    assert parse_hub_source(text) == source


@pytest.mark.parametrize(
    "text", ["", "repo", "o/", "/r", "o/r/../x", "../r", "o/r@..", "o r/x", "o/r?x", "o/r#x", "o//r"]
)
def test_an_invalid_repository_name_is_refused(text: str) -> None:
    with pytest.raises(PullError, match="write hf:owner/repo"):
        parse_hub_source(text)
