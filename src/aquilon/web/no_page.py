"""The page where a browser goes to an address that no page has, in the reader's language, with the way back."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

_TEXTS: Mapping[str, tuple[str, str, str]] = {
    "en": ("There is no page here", "Perhaps the address has a typing error, or the page has moved.", "Go to the chat"),
    "fr": (
        "Il n’y a pas de page ici",
        "L’adresse contient peut-être une faute de frappe, ou la page a changé de place.",
        "Aller à la conversation",
    ),
    "de": (
        "Hier gibt es keine Seite",
        "Vielleicht enthält die Adresse einen Tippfehler, oder die Seite ist umgezogen.",
        "Zum Chat",
    ),
    "es": (
        "Aquí no hay ninguna página",
        "Puede que la dirección tenga un error de escritura o que la página haya cambiado de sitio.",
        "Ir al chat",
    ),
    "it": (
        "Qui non c’è nessuna pagina",
        "Forse l’indirizzo contiene un errore di battitura, oppure la pagina è stata spostata.",
        "Vai alla chat",
    ),
}
"""By language: the title, what may be wrong, and the link."""

_STYLE = """
:root { color-scheme: light dark; }
body {
  display: grid; min-height: 100vh; margin: 0; place-content: center; padding: 24px; box-sizing: border-box;
  background: light-dark(#fbf8f2, #0d1526); color: light-dark(#1d2740, #e9edf5);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 32rem; }
h1 { margin: 0 0 8px; font: 400 32px/1.2 Newsreader, Charter, Georgia, "Noto Serif", serif; }
p { margin: 0 0 24px; overflow-wrap: anywhere; }
a { color: light-dark(#1767a8, #7fc0f5); }
"""

_HEADERS = {
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'",
            "img-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "cache-control": "no-store",
    "vary": "accept-language",
}


def no_page(request: Request) -> HTMLResponse:
    """Status 404. The address stays out of the page: whoever made a link wrote it."""
    language = _language(request.headers.get("accept-language", ""))
    title, reason, back = (escape(text) for text in _TEXTS[language])
    content = (
        f'<!doctype html>\n<html lang="{language}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title} · Aquilon</title>\n<style>{_STYLE}</style>\n"
        f'<main><h1>{title}</h1><p>{reason}</p><a href="/">{back}</a></main>\n</html>\n'
    )
    return HTMLResponse(content, status_code=404, headers=_HEADERS)


def _language(accepted: str) -> str:
    """The language that the browser likes most, of those that the page has; English if it names none of them."""
    best, best_weight = "en", 0.0
    for entry in accepted[:1000].split(","):
        tag, _, parameter = entry.strip().partition(";")
        language = tag.partition("-")[0].strip().lower()
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if language in _TEXTS and weight > best_weight:
            best, best_weight = language, weight
    return best
