import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "doc.attach": "Joindre des documents",
  "doc.pick": "Choisir des fichiers…",
  "doc.library": "Joindre une bibliothèque…",
  "doc.list": "Documents de cette conversation",
  "doc.sending": "Envoi…",
  "doc.reading": "Lecture, {percent}",
  "doc.ready": "Lu",
  "doc.attached": "Bibliothèque",
  "doc.remove": "Retirer «\u00a0{name}\u00a0»",
  "doc.wait": "Attend que vos documents soient lus",
  "doc.unread": "Pas envoyé\u00a0: «\u00a0{name}\u00a0» n’a pas pu être lu",
  "doc.queue": "Messages qui attendent vos documents",
  "doc.takeBack": "Reprendre",
  "doc.drop": "Déposez les fichiers ici\u00a0: les réponses s’en serviront",
  "doc.searching": "Recherche dans vos documents…",
  "doc.failed.unsupported":
    "Le contenu du fichier ne peut pas être lu, quoi qu’en dise son nom. Décompressez les archives\u00a0; enregistrez le reste en PDF, DOCX ou texte.",
  "doc.failed.encrypted": "Le fichier est protégé par un mot de passe. Retirez-le, puis joignez de nouveau le fichier.",
  "doc.failed.no_text": "Il ne contient pas de texte. Les pages numérisées demandent l’OCR sur le serveur.",
  "doc.failed.damaged":
    "Le fichier est endommagé. Ouvrez-le dans son programme, enregistrez-le de nouveau, puis joignez-le de nouveau.",
  "doc.failed.bomb":
    "Le fichier est fait comme ceux qui saturent un serveur\u00a0: il n’a pas été lu. Enregistrez-le de nouveau dans son programme.",
  "doc.failed.too_deep": "Les parties du fichier sont trop imbriquées. Enregistrez son texte dans un nouveau document.",
  "doc.failed.too_large":
    "Le fichier, ou ce qu’il devient une fois décompressé, est trop volumineux. Divisez-le\u00a0; dans une feuille de calcul, supprimez les cellules isolées au loin.",
  "doc.failed.timed_out": "La lecture du fichier a pris trop de temps. Divisez-le en plusieurs fichiers.",
  "doc.failed.server_error": "Le serveur n’a pas pu le lire. Réessayez.",
  "doc.note.truncated": "Lu en partie\u00a0: il est plus long que ce qui est lu d’un document",
  "doc.note.pages_without_text": "Lu, sauf des pages qui sont des images ou sont endommagées",
  "doc.note.ocr_used": "Lu à partir d’images (OCR)\u00a0: vérifiez noms et chiffres",
  "doc.note.encoding_guessed": "Lu\u00a0; des lettres accentuées peuvent être fausses",
  "doc.libraries": "Joindre une bibliothèque",
  "doc.libraries.none":
    "Il n’y a pas encore de bibliothèque. Les documents d’un projet en font une\u00a0; on en crée aussi par l’API.",
  "doc.libraries.files": "{count, plural, one {# document} many {# documents} other {# documents}}",
  "doc.loading": "Chargement…",
  "note.open": "Source {number}\u00a0: {name}",
  "note.unsupported": "Source {number}\u00a0: {name}. Elle n’étaye pas cette phrase.",
  "note.title": "Source {number}",
  "note.page": "Page {page}",
  "note.warning": "Le passage n’étaye pas la phrase qui le cite. Vérifiez avant de vous y fier.",
  "note.gone": "Le document n’est plus là. Voici le passage tel qu’il a été cité.",
  "note.loading": "Ouverture du passage…",
};
