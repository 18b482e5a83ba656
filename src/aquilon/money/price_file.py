"""A price list in a file: JSON, a list of periods with their prices."""

from __future__ import annotations

import codecs
import time

import msgspec

from aquilon.money.prices import Period, Price
from aquilon.money.usage_report import moment


class _Entry(msgspec.Struct, rename={"start": "from"}, forbid_unknown_fields=True):
    input: int
    output: int
    cached_input: int | None = None
    batch_discount: int = 0
    training: int = 0
    start: str = ""
    until: str = ""


def read_periods(data: bytes) -> list[Period]:
    """Reads ``[{"from": "2027-01-01", "until": "2027-02-01", "input": 10, "cached_input": 6, "output": 30}]``.

    Without ``from`` a price starts now. Without ``cached_input`` a cached token costs
    as much as another one. Raises ValueError if the list can't be read or a price is invalid.
    """
    try:
        entries = msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8), type=list[_Entry])
    except msgspec.DecodeError as error:
        raise ValueError(f"The price list can't be read: {error}") from None
    return [
        Period(
            Price(
                moment(entry.start) if entry.start else int(time.time()),
                input=entry.input,
                cached_input=entry.input if entry.cached_input is None else entry.cached_input,
                output=entry.output,
                batch_discount=entry.batch_discount,
                training=entry.training,
            ),
            moment(entry.until) if entry.until else None,
        )
        for entry in entries
    ]
