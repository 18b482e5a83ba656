"""The languages that text can be told apart into, and their codes: ISO 639-1, as ``fr``."""

from __future__ import annotations

from collections.abc import Iterable

_CODES = """
af:afr ar:ara az:aze be:bel bg:bul bn:ben bs:bos ca:cat cs:ces cy:cym da:dan de:deu el:ell en:eng eo:epo es:spa et:est
eu:eus fa:fas fi:fin fr:fra ga:gle gu:guj he:heb hi:hin hr:hrv hu:hun hy:hye id:ind is:isl it:ita ja:jpn ka:kat kk:kaz
ko:kor la:lat lg:lug lt:lit lv:lav mi:mri mk:mkd mn:mon mr:mar ms:msa nb:nob nl:nld nn:nno pa:pan pl:pol pt:por ro:ron
ru:rus sk:slk sl:slv sn:sna so:som sq:sqi sr:srp st:sot sv:swe sw:swa ta:tam te:tel th:tha tl:tgl tn:tsn tr:tur ts:tso
uk:ukr ur:urd vi:vie xh:xho yo:yor zh:zho zu:zul
"""
_BIBLIOGRAPHIC = """
sq:alb hy:arm eu:baq cs:cze zh:chi nl:dut fr:fre ka:geo de:ger el:gre is:ice mk:mac mi:mao ms:may fa:per ro:rum sk:slo
cy:wel nb:no nb:nor
"""
_BY_ANY_CODE = {
    code: short
    for short, long in (pair.split(":") for pair in (_CODES + _BIBLIOGRAPHIC).split())
    for code in (short, long)
}

LANGUAGES = tuple(sorted(set(_BY_ANY_CODE.values())))
"""Those that ``lingua`` knows."""


class UnknownLanguage(ValueError):
    """A code that names none of LANGUAGES."""


def short_code(code: object) -> str | None:
    """``fr`` for ``fr``, ``fra``, ``fre``, ``FR`` and ``fr-CA``; None for what is no known code."""
    if not isinstance(code, str):
        return None
    return _BY_ANY_CODE.get(code.strip().lower().replace("_", "-").partition("-")[0])


def language_list(text: str | None) -> tuple[str, ...]:
    """The codes in ``fr,de``, in order; empty for None. Raises UnknownLanguage, which lists the known ones."""
    if text is None:
        return ()
    return tuple(dict.fromkeys(_known(part) for part in text.split(",")))


def _known(code: str) -> str:
    short = short_code(code)
    if short is None:
        raise UnknownLanguage(f"'{code.strip()}' is no language that is known here: the codes are {_listed(LANGUAGES)}")
    return short


def _listed(codes: Iterable[str]) -> str:
    return ", ".join(codes)
