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
    thousands: str
    decimal: str


_ENGLISH = Words(
    title="Statement",
    draft="The month is not over: figures until now",
    period="Period (UTC)",
    number="Number",
    customer="Customer",
    vat_number="VAT number",
    columns=("Workspace", "Model", "Requests", "Prompt", "Cached", "Completion", "Amount"),
    net="Net",
    vat="VAT",
    total="Total",
    nothing="Nothing was used in this month.",
    page="Page",
    tokens="Prompt, cached and completion are numbers of tokens. Cached tokens are part of the prompt.",
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
    columns=("Espace", "Modèle", "Requêtes", "Invite", "En cache", "Réponse", "Montant"),
    net="Hors taxe",
    vat="TVA",
    total="Total",
    nothing="Rien n'a été utilisé ce mois-ci.",
    page="Page",
    tokens="Invite, cache et réponse sont des nombres de jetons. Ceux du cache font partie de l'invite.",
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
    columns=("Arbeitsbereich", "Modell", "Anfragen", "Eingabe", "Aus Cache", "Antwort", "Betrag"),
    net="Netto",
    vat="MwSt.",
    total="Gesamt",
    nothing="In diesem Monat wurde nichts verbraucht.",
    page="Seite",
    tokens="Eingabe, Cache und Antwort sind Anzahlen von Tokens. Die aus dem Cache sind Teil der Eingabe.",
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
    thousands=".",
    decimal=",",
)
_SPANISH = Words(
    title="Facturación",
    draft="El mes no ha terminado: cifras hasta ahora",
    period="Periodo (UTC)",
    number="Número",
    customer="Cliente",
    vat_number="NIF-IVA",
    columns=("Espacio", "Modelo", "Solicitudes", "Entrada", "En caché", "Respuesta", "Importe"),
    net="Neto",
    vat="IVA",
    total="Total",
    nothing="No se consumió nada en este mes.",
    page="Página",
    tokens="Entrada, caché y respuesta son números de tokens. Los de la caché forman parte de la entrada.",
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
    columns=("Area", "Modello", "Richieste", "Ingresso", "Dalla cache", "Risposta", "Importo"),
    net="Imponibile",
    vat="IVA",
    total="Totale",
    nothing="In questo mese non è stato consumato nulla.",
    page="Pagina",
    tokens="Ingresso, cache e risposta sono numeri di token. Quelli dalla cache fanno parte dell’ingresso.",
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
