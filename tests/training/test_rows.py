"""Laws of rows, mixtures and shards: what a run trains on follows from its data, its seed and the step alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aquilon.training.data.preparing import prepare
from aquilon.training.data.rows import UNTRAINED, Mixture, PackedRows, Part, Row, StreamRows, Weighted
from aquilon.training.data.sample_order import permuted
from aquilon.training.data.shards import Shard, ShardError, ShardWriter
from aquilon.training.tokenizer import train_tokenizer

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=25)


def written(folder: Path, lengths: list[int], *, trained: list[list[bool]] | None = None) -> Shard:
    """A shard of documents of these lengths, whose tokens are numbered through."""
    first = 0
    with ShardWriter(folder, vocab_size=70_000, tokenizer="t", trained=trained is not None) as writer:
        for number, length in enumerate(lengths):
            ids = range(first, first + length)
            writer.add(list(ids), num_bytes=length, trained=None if trained is None else trained[number])
            first += length
        writer.finish()
    return Shard(folder)


def documents_of(row: Row) -> list[list[int]]:
    ends = np.cumsum(row.lengths)
    return [row.token_ids[end - length : end].tolist() for end, length in zip(ends, row.lengths, strict=True)]


@given(st.integers(1, 300), st.integers(0, 2**40), st.integers(-5, 5))
def test_an_epochs_order_has_each_sample_once(size: int, seed: int, epoch: int) -> None:
    assert sorted(permuted(index, size, seed=seed, epoch=epoch) for index in range(size)) == list(range(size))


def test_epochs_and_seeds_have_other_orders() -> None:
    orders = {
        tuple(permuted(index, 50, seed=seed, epoch=epoch) for index in range(50)) for seed in (0, 1) for epoch in (0, 1)
    }
    assert len(orders) == 4


@settings(max_examples=60)
@given(LENGTHS, st.integers(1, 16))
def test_a_stream_trains_each_token_once_from_its_own_document(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], context: int
) -> None:
    """Every token that follows another in its document is a target once, but in the last row that isn't full."""
    shard = written(tmp_path_factory.mktemp("shard") / "s", lengths)
    rows = StreamRows(shard, context)
    first_of_document = {0, *shard.ends.tolist()}
    targets: Counter[int] = Counter()
    for index in range(len(rows)):
        row = rows.row(index)
        assert len(row.token_ids) == len(row.targets) == sum(row.lengths) == context
        assert row.token_ids.tolist() == list(range(index * context, (index + 1) * context))
        for document in documents_of(row):
            assert not first_of_document & set(document[1:])
        for token, target in zip(row.token_ids.tolist(), row.targets.tolist(), strict=True):
            if target != UNTRAINED:
                assert target == token + 1
                assert target not in first_of_document
                targets[target] += 1
    trained_to = min(len(rows) * context, len(shard) - 1)
    assert targets == Counter(token for token in range(1, trained_to + 1) if token not in first_of_document)


@settings(max_examples=60)
@given(LENGTHS, st.integers(12, 30), st.data())
def test_packing_keeps_every_document_whole_and_trains_what_its_mask_says(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], context: int, data: st.DataObject
) -> None:
    trained = [data.draw(st.lists(st.booleans(), min_size=length, max_size=length)) for length in lengths]
    shard = written(tmp_path_factory.mktemp("shard") / "s", lengths, trained=trained)
    rows = PackedRows(shard, context)
    mask = [is_trained for document in trained for is_trained in document]
    starts = [0, *shard.ends.astype(int).tolist()]
    seen = []
    for index in range(len(rows)):
        row = rows.row(index)
        assert len(row.token_ids) <= context
        for document in documents_of(row):
            seen.append(document[0])
            assert document == list(range(document[0], starts[starts.index(document[0]) + 1]))
        for token, target in zip(row.token_ids.tolist(), row.targets.tolist(), strict=True):
            is_last = token + 1 in starts
            assert target == (UNTRAINED if is_last or not mask[token + 1] else token + 1)
    assert sorted(seen) == starts[:-1]


def test_a_document_that_does_not_fit_a_row_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="document 2 has 9 tokens: a row has 8"):
        PackedRows(written(tmp_path / "s", [3, 9, 4]), 8)


class Numbered:
    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def row(self, index: int) -> Row:
        assert 0 <= index < self._count
        return Row(np.array([index]), np.array([UNTRAINED]), (1,))


@given(st.integers(0, 450))
def test_rows_are_either_held_back_or_trained(count: int) -> None:
    parts = [Part(Numbered(count), held_back=held_back) for held_back in (True, False)]
    indices = [[int(part.row(index).token_ids[0]) for index in range(len(part))] for part in parts]
    assert sorted(indices[0] + indices[1]) == list(range(count))
    assert len(indices[0]) == count // 100


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.floats(0.05, 5), min_size=1, max_size=4),
    st.lists(st.integers(1, 900), min_size=4, max_size=4),
    st.integers(0, 2**32),
)
def test_a_mixture_keeps_its_weights_and_reads_each_source_whole_before_again(
    weights: list[float], sizes: list[int], seed: int
) -> None:
    mixture = Mixture([Weighted(Numbered(sizes[n]), weight) for n, weight in enumerate(weights)], seed=seed)
    places = [mixture.place(index) for index in range(2 * 4096)]
    for source, weight in enumerate(weights):
        expected = weight / sum(weights) * 4096
        assert abs(sum(place[0] == source for place in places[:4096]) - expected) <= 1
        samples = [sample for chosen, sample in places if chosen == source]
        assert sorted(samples) == list(range(len(samples)))
    epochs = mixture.epochs(2 * 4096)
    counts = Counter(place[0] for place in places)
    assert epochs == [counts[source] / sizes[source] for source in range(len(weights))]


def test_a_mixtures_row_follows_from_its_index_alone() -> None:
    def mixture(seed: int = 3) -> Mixture:
        return Mixture([Weighted(Numbered(70), 1), Weighted(Numbered(40), 3)], seed=seed)

    def tokens(mixture: Mixture, indices: Any) -> list[int]:
        return [int(mixture.row(index).token_ids[0]) for index in indices]

    forwards = tokens(mixture(), range(300))
    assert tokens(mixture(), reversed(range(300))) == forwards[::-1]
    assert tokens(mixture(seed=4), range(300)) != forwards


def test_a_mixture_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="source 1 is too small"):
        Mixture([Weighted(Numbered(0), 1)], seed=0)
    with pytest.raises(ValueError, match="source 2 has the weight 0"):
        Mixture([Weighted(Numbered(9), 1), Weighted(Numbered(9), 0)], seed=0)
    with pytest.raises(ValueError, match="source 1 has a share of"):
        Mixture([Weighted(Numbered(9), 1), Weighted(Numbered(9), 10_000)], seed=0)


def test_a_shard_says_what_it_holds(tmp_path: Path) -> None:
    shard = written(tmp_path / "s", [3, 2], trained=[[True, False, True], [True, True]])
    assert (len(shard), shard.description.documents, shard.description.dtype) == (5, 2, "uint32")
    assert shard.tokens.tolist() == [0, 1, 2, 3, 4]
    assert shard.ends.tolist() == [3, 5]
    assert shard.trained is not None
    assert shard.trained.tolist() == [1, 0, 1, 1, 1]
    same = written(tmp_path / "same", [3, 2], trained=[[True, False, True], [True, True]])
    other = written(tmp_path / "other", [3, 2], trained=[[True, True, True], [True, True]])
    assert same.description.fingerprint == shard.description.fingerprint != other.description.fingerprint


def test_a_shard_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    shard = written(tmp_path / "s", [3, 2])
    whole = (shard.folder / "tokens.bin").read_bytes()
    (shard.folder / "tokens.bin").write_bytes(whole[:-1])
    with pytest.raises(ShardError, match=r"tokens\.bin is damaged: it should have 20 bytes"):
        Shard(shard.folder)
    (shard.folder / "tokens.bin").write_bytes(whole)
    (shard.folder / "ends.bin").unlink()
    with pytest.raises(ShardError, match=r"ends\.bin is damaged"):
        Shard(shard.folder)
    (shard.folder / "shard.json").write_text('{"tokens": 5')
    with pytest.raises(ShardError, match=r"shard\.json is damaged"):
        Shard(shard.folder)
    (shard.folder / "shard.json").unlink()
    with pytest.raises(ShardError, match="holds no whole shard"):
        Shard(shard.folder)


def test_writing_that_is_interrupted_leaves_the_former_shard(tmp_path: Path) -> None:
    before = written(tmp_path / "s", [3, 2]).description

    def interrupted() -> None:
        with ShardWriter(tmp_path / "s", vocab_size=100, tokenizer="t") as writer:
            writer.add([1, 2], num_bytes=2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert Shard(tmp_path / "s").description == before
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_control_tokens_name_in_a_document_is_prepared_as_text(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(iter(["some text " * 20]), 290, tmp_path / "tokenizer")
    (tmp_path / "a.txt").write_text("before <|endoftext|> after")
    [shard] = prepare(
        tmp_path / "data", [[tmp_path / "a.txt"]], tokenizer=tmp_path / "tokenizer", report=lambda *numbers: None
    )
    ids = shard.tokens.tolist()
    assert ids.count(tokenizer.token_to_id("<|endoftext|>")) == 1
    assert ids[-1] == tokenizer.token_to_id("<|endoftext|>")
    tokenizer.decode(ids[:-1])
    assert tokenizer.decode(ids[:-1], skip_special_tokens=False) == "before <|endoftext|> after"
