"""Prefixes of answers are checked against their grammar in bounded time."""

from __future__ import annotations

import pytest

from aquilon.text.grammar import GrammarError, check_prefix, of_rules


def test_a_prefix_is_checked_in_pieces_up_to_8_kib() -> None:
    anything = of_rules("start: /(?s:.*)x/")
    check_prefix(anything, "ä" * 4000, vocab_size=300)
    with pytest.raises(GrammarError, match="more than 8 KiB"):
        check_prefix(anything, "ä" * 4100, vocab_size=300)
    with pytest.raises(GrammarError, match="can't go on with"):
        check_prefix(of_rules("start: /a+b/"), "a" * 300 + "c" + "a" * 300, vocab_size=300)
