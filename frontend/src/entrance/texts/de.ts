import type { texts as english } from "./en";

/** German, with its own quotation marks; people are addressed as „Sie“. */
export const texts: Record<keyof typeof english, string> = {
  "signIn.title": "Anmelden",
  "signIn.text":
    "Wer Aquilon betreibt, kann einen Link erstellen, der Sie einmal anmeldet; öffnen Sie ihn in diesem Browser. Danach können Sie in der Konsole ein Passwort festlegen.",
  "signIn.first":
    "Falls Sie das selbst sind: Der erste Link wurde beim Start von Aquilon ausgegeben. Dieser Befehl erstellt einen weiteren:",
  "signIn.expired.title": "Dieser Link gilt nicht mehr",
  "signIn.expired.text":
    "Ein Anmeldelink gilt nur einmal und für kurze Zeit. Er wurde schon benutzt, oder seine Zeit ist um. Auf dem Rechner, auf dem Aquilon läuft, erstellt dieser Befehl einen neuen:",
  "signIn.refused.title": "Die Anmeldung wurde abgelehnt",
  "signIn.link.title": "Mit einem Link anmelden",
  "signIn.who": "Name oder E-Mail-Adresse",
  "signIn.password": "Passwort",
  "signIn.elsewhere": "Ich gehöre zu einer anderen Organisation",
  "signIn.organization": "Organisation",
  "signIn.signIn": "Anmelden",
  "join.title": "{organization} lädt Sie ein",
  "join.text": "Legen Sie Ihr Konto an, und Sie sind dabei.",
  "join.name": "Ihr Name",
  "join.email": "E-Mail-Adresse (optional)",
  "join.password": "Ein Passwort, am besten ein langer Satz",
  "join.passwordRule": "Mindestens {count, plural, one {# Zeichen} other {# Zeichen}}.",
  "join.join": "Beitreten",
  "invited.title": "Sie sind als {name} angemeldet",
  "invited.text":
    "Diese Einladung legt ein neues Konto bei {organization} an. Um sie selbst zu nutzen, melden Sie sich ab und treten Sie unter anderem Namen bei; jetzt gehören Sie zu {own}.",
  "invited.stay": "Als {name} angemeldet bleiben",
  "invited.join": "Abmelden und unter anderem Namen beitreten",
  "join.refused": "Diese Einladung gilt nicht mehr",
  "join.refusedText": "Wenn Sie damit schon beigetreten sind, melden Sie sich an.",
  "signIn.with": "Mit {provider} anmelden",
  "signIn.failed": "Die Anmeldung dort ist gescheitert. {reason}",
  "signIn.failed.notBegunHere":
    "Sie wurde in einem anderen Browser begonnen, oder vor zu langer Zeit: Versuchen Sie es noch einmal.",
  "signIn.failed.refused": "Der Identitätsanbieter hat niemanden angemeldet.",
  "signIn.failed.unusable":
    "Der Identitätsanbieter ist gerade nicht nutzbar; der Grund steht im Protokoll des Servers.",
  "signIn.failed.disabled": "Dieses Konto ist gesperrt: Wenden Sie sich an einen Administrator.",
  "signIn.failed.invitation": "Die Einladung ist nicht mehr offen: Bitten Sie um eine neue.",
  "signIn.failed.notInvited": "Sie haben hier noch kein Konto: Bitten Sie um eine Einladung.",
  "signIn.failed.exists":
    "Es gibt schon ein Konto mit dieser Adresse: Melden Sie sich dort an, und fügen Sie den Anbieter dann hinzu.",
  "signIn.failed.email": "Mit Ihrer dortigen E-Mail-Adresse kann man sich hier nicht anmelden.",
  "signIn.signedOut": "Sie haben sich abgemeldet.",
};
