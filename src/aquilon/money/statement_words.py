"""The words of a statement's PDF, in five languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Language = Literal["en", "fr", "de", "es", "it"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


@dataclass(frozen=True, kw_only=True)
class Words:
    title: str
    draft: str
    period: str
    number: str
    customer: str
    vat_number: str
    columns: tuple[str, ...]
    net: str
    vat: str
    total: str
    nothing: str
    page: str
    tokens: str
    months: tuple[str, ...]
    month_of_year: str = "{month} {year}"
    date: str = "%d/%m/%Y"
    """As `strftime` has it."""
    thousands: str
    decimal: str


_ENGLISH = Words(
    title="Statement",
    draft="The month is not over: figures until now",
    period="Period (UTC)",
    number="Number",
    customer="Customer",
    vat_number="VAT number",
    columns=("Workspace", "Model", "Requests", "Read", "Cached", "Written", "Amount"),
    net="Net",
    vat="VAT",
    total="Total",
    nothing="Nothing was used in this month.",
    page="Page",
    tokens="Read, cached and written are numbers of tokens. Cached tokens are part of those read.",
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    date="%Y-%m-%d",
    thousands=",",
    decimal=".",
)
_FRENCH = Words(
    title="Relevé",
    draft="Le mois n'est pas terminé : chiffres à ce jour",
    period="Période (UTC)",
    number="Numéro",
    customer="Client",
    vat_number="Numéro de TVA",
    columns=("Espace", "Modèle", "Requêtes", "Lus", "Du cache", "Écrits", "Montant"),
    net="Hors taxe",
    vat="TVA",
    total="Total",
    nothing="Rien n'a été utilisé ce mois-ci.",
    page="Page",
    tokens="Lus, du cache et écrits sont des nombres de tokens. Ceux du cache font partie des tokens lus.",
    months=(
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ),
    thousands="\u00a0",
    decimal=",",
)
_GERMAN = Words(
    title="Abrechnung",
    draft="Der Monat ist nicht vorbei: Zahlen bis jetzt",
    period="Zeitraum (UTC)",
    number="Nummer",
    customer="Kunde",
    vat_number="USt-IdNr.",
    columns=("Arbeitsbereich", "Modell", "Anfragen", "Gelesen", "Aus Cache", "Geschrieben", "Betrag"),
    net="Netto",
    vat="MwSt.",
    total="Gesamt",
    nothing="In diesem Monat wurde nichts verbraucht.",
    page="Seite",
    tokens="Gelesen, aus Cache und geschrieben sind Anzahlen von Tokens. Die aus dem Cache gehören zu den gelesenen.",
    months=(
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ),
    date="%d.%m.%Y",
    thousands=".",
    decimal=",",
)
_SPANISH = Words(
    title="Extracto",
    draft="El mes no ha terminado: cifras hasta ahora",
    period="Periodo (UTC)",
    number="Número",
    customer="Cliente",
    vat_number="NIF-IVA",
    columns=("Espacio", "Modelo", "Solicitudes", "Leídos", "De la caché", "Escritos", "Importe"),
    net="Neto",
    vat="IVA",
    total="Total",
    nothing="No se consumió nada en este mes.",
    page="Página",
    tokens="Leídos, de la caché y escritos son números de tokens. Los de la caché forman parte de los leídos.",
    months=(
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ),
    month_of_year="{month} de {year}",
    thousands=".",
    decimal=",",
)
_ITALIAN = Words(
    title="Rendiconto",
    draft="Il mese non è finito: cifre fino a ora",
    period="Periodo (UTC)",
    number="Numero",
    customer="Cliente",
    vat_number="Partita IVA",
    columns=("Area", "Modello", "Richieste", "Letti", "Dalla cache", "Scritti", "Importo"),
    net="Imponibile",
    vat="IVA",
    total="Totale",
    nothing="In questo mese non è stato consumato nulla.",
    page="Pagina",
    tokens="Letti, dalla cache e scritti sono numeri di token. Quelli dalla cache fanno parte dei letti.",
    months=(
        "gennaio",
        "febbraio",
        "marzo",
        "aprile",
        "maggio",
        "giugno",
        "luglio",
        "agosto",
        "settembre",
        "ottobre",
        "novembre",
        "dicembre",
    ),
    thousands=".",
    decimal=",",
)
WORDS: dict[Language, Words] = {
    "en": _ENGLISH,
    "fr": _FRENCH,
    "de": _GERMAN,
    "es": _SPANISH,
    "it": _ITALIAN,
}
