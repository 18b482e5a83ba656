import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "doc.attach": "Allega documenti",
  "doc.pick": "Scegli file…",
  "doc.library": "Allega una raccolta…",
  "doc.list": "Documenti di questa conversazione",
  "doc.project": "Documenti del progetto «{name}»",
  "doc.sending": "Invio…",
  "doc.sendingShare": "Invio, {percent}",
  "doc.reading": "Lettura, {percent}",
  "doc.ready": "Letto",
  "doc.attached": "Raccolta",
  "doc.remove": "Rimuovi «{name}»",
  "doc.wait": "Aspetta che i documenti siano letti",
  "doc.unread": "Non inviato: «{name}» non si è potuto leggere",
  "doc.queue": "Messaggi che aspettano i documenti",
  "doc.takeBack": "Riprendi",
  "doc.drop": "Rilascia qui i file: le risposte li useranno",
  "doc.pasted": "Testo incollato",
  "doc.pasted.note":
    "Il testo incollato è lungo, quindi ora è un documento: le risposte usano i passaggi che riguardano la domanda.",
  "doc.pasted.back": "Metterlo nella domanda",
  "doc.searching": "Ricerca nei documenti…",
  "doc.failed.unsupported":
    "Il contenuto del file non è leggibile, qualunque cosa dica il nome. Gli archivi vanno estratti; il resto conviene salvarlo come PDF, DOCX o testo.",
  "doc.failed.encrypted": "Il file è protetto da una password. Va tolta prima di allegarlo di nuovo.",
  "doc.failed.no_text": "Non contiene testo. Le pagine scansionate richiedono l’OCR sul server.",
  "doc.failed.damaged":
    "Il file è danneggiato. Conviene aprirlo nel suo programma, salvarlo di nuovo e allegarlo ancora.",
  "doc.failed.bomb":
    "Il file è fatto come quelli che sovraccaricano un server e non è stato letto. Conviene salvarlo di nuovo nel suo programma.",
  "doc.failed.too_deep":
    "Le parti del file sono annidate troppo in profondità. Conviene salvare il testo come nuovo documento.",
  "doc.failed.too_large":
    "Il file, o ciò che ne risulta una volta estratto, è troppo grande. Conviene dividerlo e, in un foglio, eliminare le celle molto lontane.",
  "doc.failed.timed_out": "La lettura del file ha richiesto troppo tempo. Conviene dividerlo in più file.",
  "doc.failed.lost": "Non è stato inviato per intero. Va allegato di nuovo.",
  "doc.failed.server_error": "Il server non è riuscito a leggerlo. Conviene riprovare.",
  "doc.note.truncated": "Letto in parte: è più lungo di quanto si legge di un documento",
  "doc.note.pages_without_text": "Letto, tranne le pagine che sono immagini o danneggiate",
  "doc.note.ocr_used": "Letto da immagini (OCR): conviene verificare nomi e cifre",
  "doc.note.encoding_guessed": "Letto; le lettere accentate possono essere sbagliate",
  "doc.libraries": "Allega una raccolta",
  "doc.libraries.none":
    "Non c’è ancora nessuna raccolta. I documenti di un progetto ne formano una; si creano anche con l’API.",
  "doc.libraries.files": "{count, plural, one {# documento} many {# documenti} other {# documenti}}",
  "doc.loading": "Caricamento…",
  "note.open": "Fonte {number}: {name}",
  "note.unsupported": "Fonte {number}: {name}. Non conferma questa frase.",
  "note.title": "Fonte {number}",
  "note.page": "Pagina {page}",
  "note.warning": "Il passo non conferma la frase che lo cita. Conviene verificare prima di fidarsi.",
  "note.gone": "Il documento non c’è più. Questo è il passo com’era citato.",
  "note.loading": "Apertura del passo…",
};
