"""Usage reports: how queries are read, and how reports are written."""

from __future__ import annotations

import re

import pytest

from aquilon.money.price_file import read_periods
from aquilon.money.prices import PriceList
from aquilon.money.store.usage import UsageRow
from aquilon.money.usage_report import UsageQuestion, moment

DAY = 86_400


def row(**changed: object) -> UsageRow:
    values = {"starts_at": 20_000 * DAY, "workspace": "w", "member": "m", "key_id": "key_1", "key": "k", "model": "x"}
    tokens = {"prompt_tokens": 2, "cached_tokens": 3, "completion_tokens": 4}
    counts = {"requests": 1, "batch_requests": 0, **tokens, "cost": 5}
    return UsageRow(**(values | counts | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", DAY),
        ("1970-01-02T01:00", DAY + 3600),
        ("1970-01-02T01:00:00+01:00", DAY),
        ("1970-01-02T00:00:00Z", DAY),
        ("86400", DAY),
    ],
)
def test_a_time_is_read_as_people_and_programs_write_it(text: str, seconds: int) -> None:
    assert moment(text) == seconds


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"since": "yesterday"}, "'yesterday' is not a time: write 2026-11-21"),
        ({"since": "2026-02-30"}, "is not a time"),
        ({"since": "9" * 30}, "is not a time"),
        ({"span": "year"}, "span is 'year'; it is hour or day"),
        ({"by": "model,colour"}, "by has 'colour'; usage is grouped by model, key, member, workspace"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "must be before until (2026-01-01)"),
        ({"since": "1970-01-01", "span": "hour"}, "more than 10000 hours: ask for less time, or by day"),
    ],
)
def test_an_invalid_query_is_refused_with_the_reason(query: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        UsageQuestion.read(**query)


def test_a_query_without_a_time_covers_thirty_days_and_today() -> None:
    question = UsageQuestion.read()
    assert question.since % DAY == 0
    assert 30 * DAY < question.until - question.since <= 31 * DAY


def test_a_report_has_the_requested_fields() -> None:
    question = UsageQuestion.read(by="model, key")
    assert question.as_object(row()) == {
        "starts_at": 20_000 * DAY,
        "key_id": "key_1",
        "key": "k",
        "model": "x",
        "requests": 1,
        "batch_requests": 0,
        "prompt_tokens": 2,
        "cached_tokens": 3,
        "completion_tokens": 4,
        "cost_microcents": 5,
    }


def test_a_name_in_a_csv_never_becomes_a_formula_of_a_spreadsheet() -> None:
    written = UsageQuestion.read(by="key").as_csv([row(key='=HYPERLINK("x")'), row(key="a, b")])
    assert written.splitlines() == [
        "starts_at,key_id,key,requests,batch_requests,prompt_tokens,cached_tokens,completion_tokens,cost_microcents",
        '2024-10-04T00:00:00Z,key_1,"\'=HYPERLINK(""x"")",1,0,2,3,4,5',
        '2024-10-04T00:00:00Z,key_1,"a, b",1,0,2,3,4,5',
    ]


def test_a_price_list_is_read_from_json() -> None:
    data = b"""[{"from": "2027-01-01", "until": "2027-02-01", "input": 10, "cached_input": 6, "output": 30},
                {"from": "2027-02-01", "input": 12, "output": 36, "batch_discount": 50}]"""
    first, second = PriceList.of_periods("m", read_periods(data)).prices
    assert (first.input, first.cached_input, first.output, first.batch_discount) == (10, 6, 30, 0)
    assert (second.starts_at, second.cached_input, second.batch_discount) == (moment("2027-02-01"), 12, 50)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"nonsense", "can't be read"),
        (b'[{"input": 1.5, "output": 2}]', "Expected `int`"),
        (b'[{"input": 1, "output": 2, "discount": 3}]', "unknown field `discount`"),
    ],
)
def test_an_invalid_price_list_is_refused_with_the_reason(data: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read_periods(data)
