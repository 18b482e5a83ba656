"""The words between the messages of conversations in an archive or an export, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aquilon.people.archive_readme import Language


@dataclass(frozen=True, kw_only=True)
class ArchiveWords:
    speakers: Mapping[str, str]
    """By role."""
    call: str
    """With the function's ``name``."""
    result: str
    summary: str
    image: str
    file: str
    nameless: str
    note: str
    """That a machine wrote the answers."""
    colon: str = ":"


def _speakers(user: str, assistant: str, instructions: str, tool: str) -> Mapping[str, str]:
    return {
        "user": user,
        "assistant": assistant,
        "system": instructions,
        "developer": instructions,
        "tool": tool,
    }


ARCHIVE_WORDS: Mapping[Language, ArchiveWords] = {
    "en": ArchiveWords(
        speakers=_speakers("User", "Assistant", "Instructions", "Tool"),
        call="Call of {name}",
        result="Result",
        summary="Summary",
        image="image",
        file="file",
        nameless="without a name",
        note="The answers were written by a machine.",
    ),
    "fr": ArchiveWords(
        speakers=_speakers("Utilisateur", "Assistant", "Instructions", "Outil"),
        call="Appel de {name}",
        result="Résultat",
        summary="Résumé",
        image="image",
        file="fichier",
        nameless="sans nom",
        note="Une machine a écrit les réponses.",
        colon="\u00a0:",
    ),
    "de": ArchiveWords(
        speakers=_speakers("Benutzer", "Assistent", "Anweisungen", "Werkzeug"),
        call="Aufruf von {name}",
        result="Ergebnis",
        summary="Zusammenfassung",
        image="Bild",
        file="Datei",
        nameless="ohne Namen",
        note="Die Antworten hat eine Maschine geschrieben.",
    ),
    "es": ArchiveWords(
        speakers=_speakers("Usuario", "Asistente", "Instrucciones", "Herramienta"),
        call="Llamada a {name}",
        result="Resultado",
        summary="Resumen",
        image="imagen",
        file="archivo",
        nameless="sin nombre",
        note="Las respuestas las escribió una máquina.",
    ),
    "it": ArchiveWords(
        speakers=_speakers("Utente", "Assistente", "Istruzioni", "Strumento"),
        call="Chiamata di {name}",
        result="Risultato",
        summary="Riassunto",
        image="immagine",
        file="file",
        nameless="senza nome",
        note="Le risposte sono state scritte da una macchina.",
    ),
}
