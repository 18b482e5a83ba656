"""``aquilon usage``, ``prices`` and ``budgets``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.money.test_statements import png
from tests.support.homes import ORGANIZATION


def test_prices_are_set_and_listed(run: Run, prepared: Path) -> None:
    assert "all are free" in run("prices", "list").err
    assert run("prices", "set", "m", "--prompt", "0.10", "--cached-prompt", "0.05", "--completion", "0.3").code == 0
    assert run("prices", "set", "m", "--prompt", "0.12", "--completion", ".36", "--from", "2999-01-01").code == 0
    now, later = json.loads(run("prices", "list", "--json").out)
    assert (now["model"], now["input"], now["cached_input"], now["output"], now["holds"]) == ("m", 10, 5, 30, True)
    assert (later["cached_input"], later["holds"]) == (12, False)
    assert "2999-01-01" in run("prices", "list").out


def test_the_price_of_training_holds_until_another_is_set(run: Run, prepared: Path) -> None:
    tokens = ("prices", "set", "m", "--prompt", "0.10", "--completion", "0.30")
    assert run(*tokens, "--training", "2.50").code == 0
    assert run(*tokens, "--from", "2998-01-01").code == 0
    assert run(*tokens, "--from", "2999-01-01", "--training", "0").code == 0
    assert [price["training"] for price in json.loads(run("prices", "list", "--json").out)] == [250, 250, 0]
    assert "2.50" in run("prices", "list").out


def test_a_price_list_may_begin_with_a_byte_order_mark(run: Run, prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_bytes(b'\xef\xbb\xbf[{"input": 0, "output": 7}]')
    assert run("prices", "set", "m", "--file", str(tmp_path / "prices.json")).code == 0
    [price] = json.loads(run("prices", "list", "--json").out)
    assert price["output"] == 7


def test_prices_that_will_not_do_are_refused_in_words(run: Run, prepared: Path, tmp_path: Path) -> None:
    half = run("prices", "set", "m", "--prompt", "0.15", "--completion", "0.60", "--batch-discount", "50")
    assert (half.code, "makes the input price 7.5 cents" in half.err) == (1, True)
    past = run("prices", "set", "m", "--prompt", "1", "--completion", "1", "--from", "2001-01-01")
    assert (past.code, "can't start on 2001-01-01, in the past" in past.err) == (1, True)
    (tmp_path / "gap.json").write_text(
        '[{"from": "2999-01-01", "until": "2999-02-01", "input": 1, "output": 1},'
        ' {"from": "2999-03-01", "input": 1, "output": 1}]'
    )
    gap = run("prices", "set", "m", "--file", str(tmp_path / "gap.json"))
    assert (gap.code, "a gap: no price from 2999-02-01 to 2999-03-01" in gap.err) == (1, True)
    assert run("prices", "set", "m", "--prompt", "1").code == 2
    assert run("prices", "list", "--json").out == "[]\n"


def test_budgets_are_set_listed_and_removed(run: Run, prepared: Path) -> None:
    [key] = json.loads(run("keys", "list", "--json").out)
    whole = run("budgets", "set", "50").out.strip()
    assert run("budgets", "set", "60").out.strip() == whole
    assert run("budgets", "set", "2", "--period", "day", "--key", key["id"]).code == 0
    assert run("budgets", "set", "1", "--period", "once", "--workspace", "general").code == 0
    budgets = {budget["scope"]: budget for budget in json.loads(run("budgets", "list", "--json").out)}
    assert (budgets["organization"]["limit_microcents"], budgets["organization"]["period"]) == (6000 * 10**6, "month")
    assert (budgets["key"]["name"], budgets["key"]["spent_microcents"]) == (key["name"], 0)
    assert (budgets["workspace"]["name"], budgets["workspace"]["resets_at"]) == ("general", None)
    assert "first key" in run("budgets", "list").out
    assert run("budgets", "set", "7000", "--id", whole).out.strip() == whole
    assert "give --id alone" in run("budgets", "set", "7000", "--id", whole, "--period", "day").err
    assert "There is no budget" in run("budgets", "set", "7000", "--id", "budget_never").err
    changed = {budget["id"]: budget for budget in json.loads(run("budgets", "list", "--json").out)}[whole]
    assert (changed["limit_microcents"], changed["effective"]) == (700_000 * 10**6, False)
    assert "No model has a price" in run("budgets", "list").err
    assert run("budgets", "remove", whole).code == 0
    assert "There is no budget" in run("budgets", "remove", whole).err
    assert len(json.loads(run("budgets", "list", "--json").out)) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--period", "year"], 2, "none of day, week, month, once"),
        (["--key", "key_none"], 1, "no API key"),
        (["--workspace", "nowhere"], 1, "There is no workspace 'nowhere'"),
        (["--workspace", "general", "--key", "x"], 2, "a workspace or for a key"),
    ],
)
def test_a_budget_for_nothing_is_refused(run: Run, prepared: Path, arguments: list[str], code: int, says: str) -> None:
    shown = run("budgets", "set", "1", *arguments)
    assert (shown.code, says in shown.err) == (code, True)


def test_usage_before_any_is_told_in_words(run: Run, prepared: Path) -> None:
    assert run("usage").err == "Nothing was used in this time\n"
    assert run("usage", "--json").out == "[]\n"
    assert run("usage", "--csv").out.startswith("starts_at,requests,")
    assert run("usage", "--by", "colour").code == 1


def test_a_statement_is_shown_and_written(run: Run, prepared: Path, tmp_path: Path) -> None:
    assert "total 0.00 EUR" in run("statement", "2026-01").out
    assert json.loads(run("statement", "2026-01", "--json").out)["month"] == "2026-01"
    assert run("statement", "2026-01", "--pdf", str(tmp_path / "s.pdf"), "--language", "fr").code == 0
    assert (tmp_path / "s.pdf").read_bytes().startswith(b"%PDF-")
    assert "write it as 2026-11" in run("statement", "januar").err


def test_an_organization_has_its_own_rate_of_vat(run: Run, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AQUILON_VAT_PERCENT", "20")
    update = ("orgs", "update", ORGANIZATION, "--vat-percent")
    assert run(*update, "5.5").code == 0
    assert json.loads(run("statement", "2026-01", "--json").out)["vat_percent"] == "5.5"
    assert run(*update, "default").code == 0
    assert json.loads(run("statement", "2026-01", "--json").out)["vat_percent"] == "20"
    assert "write 20 or 5.5" in run(*update, "many").err


def test_a_statement_carries_the_logo_of_the_settings(
    run: Run, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logo.png").write_bytes(png(bytes([10, 20, 30] * 4), 2, 2, 2))
    monkeypatch.setenv("AQUILON_SELLER_LOGO", str(tmp_path / "logo.png"))
    assert run("statement", "2026-01", "--pdf", str(tmp_path / "s.pdf")).code == 0
    assert b"/Subtype /Image" in (tmp_path / "s.pdf").read_bytes()
    (tmp_path / "logo.png").write_bytes(b"GIF89a")
    shown = run("statement", "2026-01", "--pdf", str(tmp_path / "s.pdf"))
    assert (shown.code, "is neither a PNG nor a JPEG" in shown.err) == (1, True)
