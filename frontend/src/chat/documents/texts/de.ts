import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "doc.attach": "Dokumente anhängen",
  "doc.pick": "Dateien auswählen…",
  "doc.library": "Bibliothek anhängen…",
  "doc.list": "Dokumente dieser Unterhaltung",
  "doc.project": "Dokumente des Projekts „{name}“",
  "doc.sending": "Wird gesendet…",
  "doc.sendingShare": "Wird gesendet, {percent}",
  "doc.reading": "Wird gelesen, {percent}",
  "doc.ready": "Gelesen",
  "doc.attached": "Bibliothek",
  "doc.remove": "„{name}“ entfernen",
  "doc.wait": "Wartet, bis Ihre Dokumente gelesen sind",
  "doc.unread": "Nicht gesendet: „{name}“ konnte nicht gelesen werden",
  "doc.queue": "Nachrichten, die auf Ihre Dokumente warten",
  "doc.takeBack": "Zurücknehmen",
  "doc.drop": "Dateien hier ablegen: Die Antworten nutzen sie dann",
  "doc.pasted": "Eingefügter Text",
  "doc.pasted.note":
    "Der eingefügte Text ist lang und daher jetzt ein Dokument: Antworten nutzen die Stellen daraus, die zur Frage passen.",
  "doc.pasted.back": "In die Frage setzen",
  "doc.searching": "Ihre Dokumente werden durchsucht…",
  "doc.failed.unsupported":
    "Der Inhalt der Datei kann nicht gelesen werden, was auch immer ihr Name sagt. Entpacken Sie Archive; speichern Sie anderes als PDF, DOCX oder Text.",
  "doc.failed.encrypted":
    "Die Datei ist mit einem Passwort geschützt. Entfernen Sie es und hängen Sie die Datei erneut an.",
  "doc.failed.no_text": "Die Datei enthält keinen Text. Gescannte Seiten brauchen OCR auf dem Server.",
  "doc.failed.damaged":
    "Die Datei ist beschädigt. Öffnen Sie sie in ihrem Programm, speichern Sie sie neu und hängen Sie sie erneut an.",
  "doc.failed.bomb":
    "Die Datei ist gebaut wie solche, die einen Server überlasten, und wurde nicht gelesen. Speichern Sie sie in ihrem Programm neu.",
  "doc.failed.too_deep": "Die Teile der Datei sind zu tief verschachtelt. Speichern Sie den Text als neues Dokument.",
  "doc.failed.too_large":
    "Die Datei ist, vielleicht erst entpackt, zu groß, um gelesen zu werden. Teilen Sie sie auf; löschen Sie in Tabellen weit abgelegene Zellen.",
  "doc.failed.timed_out": "Das Lesen der Datei hat zu lange gedauert. Teilen Sie sie in kleinere Dateien auf.",
  "doc.failed.lost": "Die Datei wurde nicht vollständig gesendet. Hängen Sie sie erneut an.",
  "doc.failed.server_error": "Der Server konnte die Datei nicht lesen. Versuchen Sie es erneut.",
  "doc.note.truncated": "Teilweise gelesen: länger als das, was von einer Datei gelesen wird",
  "doc.note.pages_without_text": "Gelesen, außer Seiten, die Bilder oder beschädigt sind",
  "doc.note.ocr_used": "Aus Bildern gelesen (OCR): Prüfen Sie Namen und Zahlen",
  "doc.note.encoding_guessed": "Gelesen; Buchstaben mit Akzenten sind vielleicht falsch",
  "doc.libraries": "Bibliothek anhängen",
  "doc.libraries.none":
    "Es gibt noch keine Bibliothek. Sie entsteht aus den Dokumenten eines Projekts oder über die API.",
  "doc.libraries.files": "{count, plural, one {# Dokument} other {# Dokumente}}",
  "doc.loading": "Wird geladen…",
  "note.open": "Quelle {number}: {name}",
  "note.unsupported": "Quelle {number}: {name}. Sie belegt diesen Satz nicht.",
  "note.title": "Quelle {number}",
  "note.page": "Seite {page}",
  "note.warning":
    "Die Stelle belegt den Satz nicht, der auf sie verweist. Prüfen Sie ihn, bevor Sie sich darauf verlassen.",
  "note.gone": "Das Dokument ist nicht mehr vorhanden. So wurde die Stelle zitiert.",
  "note.loading": "Die Stelle wird geöffnet…",
};
