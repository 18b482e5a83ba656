"""Workbooks, XLSX and ODS: the values that cells show, formulas' by what was last calculated."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from aquilon.extraction.document import Unreadable
from aquilon.extraction.reading import Reading
from aquilon.extraction.sheet_sizes import check_sheet_sizes


def read_sheets(path: Path, reading: Reading) -> None:
    """A table for each visible sheet, whose page is the sheet's number. Raises Unreadable."""
    check_sheet_sizes(path)
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        reading.pages = len(workbook.sheets_metadata)
        for number, sheet in enumerate(workbook.sheets_metadata, 1):
            if sheet.typ != SheetTypeEnum.WorkSheet or sheet.visible != SheetVisibleEnum.Visible:
                continue
            rows = workbook.get_sheet_by_index(number - 1)
            if not rows.height:
                continue
            reading.page = number
            reading.heading(sheet.name, 2)
            reading.table(_rows(rows, number, reading))
    except PasswordError:
        raise Unreadable("encrypted", "This file is encrypted with a password: save it without one") from None
    except CalamineError as error:
        raise Unreadable("damaged", f"This workbook is damaged and can't be read ({str(error)[:300]})") from None


def _rows(sheet: Any, number: int, reading: Reading) -> Iterator[list[str]]:
    for position, row in enumerate(sheet.iter_rows()):
        if position % 500 == 0 and reading.pages:
            reading.progress(number - 1 + position / sheet.height, reading.pages)
        yield [_shown(value) for value in row]


def _shown(value: object) -> str:
    """As a person would write it: ``3`` and not ``3.0``, dates by ISO 8601."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        if value.time() == datetime.time():
            return value.date().isoformat()
        return value.isoformat(" ", "minutes" if not (value.second or value.microsecond) else "seconds")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
