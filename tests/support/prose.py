"""Sentences that read like prose to rules about languages and quality, without end and without repetition."""

from __future__ import annotations

from random import Random

_WORDS = {
    "fr": {
        "who": """le boulanger|la voisine|un vieux marin|le facteur|ma grand-mère|le jardinier|une étudiante|le médecin
            |la libraire|un musicien|le maire|la bergère|un charpentier|la couturière|le meunier|une journaliste""",
        "does": """raconte|prépare|répare|observe|traverse|décrit|cherche|retrouve|emporte|dessine|protège|achète
            |nettoie|imagine|oublie|rapporte""",
        "what": """une ancienne horloge|la barque rouge|les lettres perdues|un panier de pommes|la grande carte
            |le pont de pierre|une chanson triste|les clés du grenier|un tableau sombre|la lampe cassée
            |des fleurs bleues|le journal du matin|une veste trop large|les outils rouillés""",
        "where": """dans la cour de l'école|près de la rivière|sur la place du marché|derrière la vieille église
            |au bord du lac|pendant que la pluie tombe|avant le lever du soleil|avec ses amis de Bretagne|pour la fête
            |sans attendre les autres|depuis la fin de l'hiver|malgré le vent du nord|entre deux trains""",
        "and": """et|mais|puis|tandis que|parce que|quand""",
    },
    "de": {
        "who": """der Bäcker|die Nachbarin|ein alter Seemann|der Briefträger|meine Großmutter|der Gärtner|eine Studentin
            |der Arzt|die Buchhändlerin|ein Musiker|der Bürgermeister|die Hirtin|ein Zimmermann|die Schneiderin""",
        "does": """erzählt|findet|repariert|beobachtet|bringt|beschreibt|sucht|vergisst|zeichnet|schützt|kauft|reinigt
            |versteckt|holt""",
        "what": """eine alte Uhr|das rote Boot|die verlorenen Briefe|einen Korb voll Äpfel|die große Karte
            |die steinerne Brücke|ein trauriges Lied|den Schlüssel zum Dachboden|ein dunkles Bild|die zerbrochene Lampe
            |blaue Blumen|die Zeitung von gestern|eine viel zu weite Jacke|das rostige Werkzeug""",
        "where": """im Hof der Schule|nahe bei dem Fluss|auf dem Marktplatz|hinter der alten Kirche|am Ufer des Sees
            |während der Regen fällt|vor dem Aufgang der Sonne|mit den Freunden aus Bremen|für das große Fest
            |ohne auf die anderen zu warten|seit dem Ende des Winters|trotz des Windes|zwischen zwei Zügen""",
        "and": """und|aber|dann|während|weil|denn""",
    },
}


def prose(language: str, *, seed: int, sentences: int = 12) -> str:
    """A document of so many sentences, a line each; ``language`` is ``fr`` or ``de``."""
    random = Random(f"{language} {seed}")
    lists = {name: [word.strip() for word in words.split("|")] for name, words in _WORDS[language].items()}

    def part() -> str:
        return " ".join(random.choice(lists[name]) for name in ("who", "does", "what", "where"))

    lines = (f"{part()} {random.choice(lists['and'])} {part()}." for _ in range(sentences))
    return "\n".join(line[0].upper() + line[1:] for line in lines)
