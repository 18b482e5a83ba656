"""The README of a person's archive, which says in the reader's language what is where."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "fr", "de", "es", "it"]

_PLACES: dict[str, dict[Language, str]] = {
    "`profile.json`": {
        "en": "your account, workspaces, keys (without their secrets) and open sessions",
        "fr": "votre compte, vos espaces de travail, vos clés (sans leurs secrets) et vos sessions ouvertes",
        "de": "Ihr Konto, Ihre Arbeitsbereiche, Schlüssel (ohne ihre Geheimnisse) und offenen Sitzungen",
        "es": "su cuenta, espacios de trabajo, claves (sin sus secretos) y sesiones abiertas",
        "it": "il profilo, le aree di lavoro, le chiavi (senza i segreti) e le sessioni aperte",
    },
    "`activity.csv`": {
        "en": "what the audit log has of your actions",
        "fr": "ce que le journal d’audit a de vos actions",
        "de": "was das Änderungsprotokoll von Ihren Handlungen hat",
        "es": "lo que el registro de auditoría tiene de sus acciones",
        "it": "ciò che il registro delle modifiche ha delle azioni compiute",
    },
    "`conversations/`": {
        "en": "each conversation as Markdown, as you see it, and as JSON with all of its branches",
        "fr": "chaque conversation en Markdown, telle que vous la voyez, et en JSON avec toutes ses branches",
        "de": "jede Unterhaltung als Markdown, wie Sie sie sehen, und als JSON mit allen Verzweigungen",
        "es": "cada conversación en Markdown, tal como se ve, y en JSON con todas sus ramas",
        "it": "ogni conversazione in Markdown, come si vede, e in JSON con tutti i suoi rami",
    },
    "`questions.md`, `questions.jsonl`": {
        "en": "what you asked in conversations of other people, with the answers",
        "fr": "ce que vous avez demandé dans les conversations d’autres personnes, avec les réponses",
        "de": "was Sie in Unterhaltungen anderer gefragt haben, mit den Antworten",
        "es": "lo que ha preguntado en conversaciones de otras personas, con las respuestas",
        "it": "ciò che è stato chiesto nelle conversazioni di altre persone, con le risposte",
    },
    "`projects.json`, `shares.jsonl`, `feedback.jsonl`, `comparisons.jsonl`, `votes.jsonl`, `prompts.jsonl`": {
        "en": "your projects, links that you shared, ratings, comparisons and saved prompts",
        "fr": "vos projets, liens partagés, évaluations, comparaisons et consignes enregistrées",
        "de": "Ihre Projekte, geteilten Links, Bewertungen, Vergleiche und gespeicherten Prompts",
        "es": "sus proyectos, enlaces compartidos, valoraciones, comparaciones e instrucciones guardadas",
        "it": "i progetti, i link condivisi, le valutazioni, i confronti e i prompt salvati",
    },
    "`memory.json`": {
        "en": "what models remember about you, and what they suggest to remember",
        "fr": "ce que les modèles retiennent de vous, et ce qu’ils proposent de retenir",
        "de": "was Modelle sich über Sie merken, und was sie zu merken vorschlagen",
        "es": "lo que los modelos recuerdan de usted y lo que proponen recordar",
        "it": "ciò che i modelli ricordano, e ciò che propongono di ricordare",
    },
    "`assistants/`": {
        "en": "your assistants with all their versions and their pictures",
        "fr": "vos assistants avec toutes leurs versions et leurs images",
        "de": "Ihre Assistenten mit allen Fassungen und Bildern",
        "es": "sus asistentes con todas sus versiones y sus imágenes",
        "it": "gli assistenti con tutte le versioni e le immagini",
    },
    "`libraries/`, `documents.jsonl`": {
        "en": "your libraries and what is in them; what you added to libraries",
        "fr": "vos bibliothèques et leur contenu ; ce que vous avez ajouté à des bibliothèques",
        "de": "Ihre Bibliotheken und ihr Inhalt; was Sie Bibliotheken hinzugefügt haben",
        "es": "sus bibliotecas y su contenido; lo que ha añadido a bibliotecas",
        "it": "le raccolte e il loro contenuto; ciò che è stato aggiunto a raccolte",
    },
    "`files/`": {
        "en": "the files that you uploaded, each in a folder with its id",
        "fr": "les fichiers que vous avez déposés, chacun dans un dossier à son identifiant",
        "de": "die Dateien, die Sie hochgeladen haben, jede in einem Ordner mit ihrer Kennung",
        "es": "los archivos que ha subido, cada uno en una carpeta con su identificador",
        "it": "i file caricati, ciascuno in una cartella con il suo identificativo",
    },
    "`batches.json`, `fine-tuning-jobs.json`": {
        "en": "your batch jobs and fine-tuning jobs",
        "fr": "vos lots et vos tâches d’affinage",
        "de": "Ihre Batch-Aufträge und Feinabstimmungen",
        "es": "sus lotes y sus trabajos de ajuste",
        "it": "i lotti e i lavori di affinamento",
    },
    "`usage.csv`": {
        "en": "your requests, with tokens and costs (in millionths of a cent)",
        "fr": "vos requêtes, avec les tokens et les coûts (en millionièmes de centime)",
        "de": "Ihre Anfragen mit Tokens und Kosten (in Millionstel Cent)",
        "es": "sus solicitudes, con tokens y costes (en millonésimas de céntimo)",
        "it": "le richieste, con i token e i costi (in milionesimi di centesimo)",
    },
}

_BEGIN: dict[Language, str] = {
    "en": "Everything that {organization} has of you here, as of {moment}. What you have none of is left out.",
    "fr": "Tout ce que {organization} a de vous ici, au {moment}. Ce dont vous n’avez rien n’y figure pas.",
    "de": "Alles, was {organization} hier von Ihnen hat, Stand {moment}. Was es von Ihnen nicht gibt, fehlt.",
    "es": "Todo lo que {organization} tiene aquí de usted, a fecha de {moment}. Lo que no existe no aparece.",
    "it": "Tutto ciò che {organization} ha qui della persona, al {moment}. Ciò che non esiste non compare.",
}
_END: dict[Language, str] = {
    "en": "Times are UTC, or seconds since 1970.",
    "fr": "Les heures sont en UTC, ou en secondes depuis 1970.",
    "de": "Zeiten sind UTC oder Sekunden seit 1970.",
    "es": "Las horas están en UTC, o en segundos desde 1970.",
    "it": "Gli orari sono in UTC, o in secondi dal 1970.",
}
_COLON: dict[Language, str] = {"en": ":", "fr": "\u00a0:", "de": ":", "es": ":", "it": ":"}


def readme(*, name: str, organization: str, moment: str, language: Language) -> str:
    places = "".join(f"- {place}{_COLON[language]} {text[language]}\n" for place, text in _PLACES.items())
    begin = _BEGIN[language].format(organization=organization, moment=moment)
    return f"# {name}\n\n{begin}\n\n{places}\n{_END[language]}\n"
