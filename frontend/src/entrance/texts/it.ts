import type { texts as english } from "./en";

/** Italian, in forms that need neither «tu» nor «Lei». */
export const texts: Record<keyof typeof english, string> = {
  "signIn.title": "Accesso",
  "signIn.text":
    "Chi gestisce Aquilon può creare un link che dà accesso una volta sola; va aperto in questo browser. Dopo l’accesso si può impostare una password nella console.",
  "signIn.first": "Per chi gestisce Aquilon: il primo link è apparso all’avvio. Questo comando ne crea un altro:",
  "signIn.expired.title": "Questo link non funziona più",
  "signIn.expired.text":
    "Un link di accesso vale una volta sola e per poco tempo. È già stato usato, o il suo tempo è scaduto. Sulla macchina dove gira Aquilon, questo comando ne crea un altro:",
  "signIn.refused.title": "L’accesso è stato rifiutato",
  "signIn.link.title": "Accedi con un link",
  "signIn.who": "Nome o indirizzo e-mail",
  "signIn.password": "Password",
  "signIn.elsewhere": "Faccio parte di un’altra organizzazione",
  "signIn.organization": "Organizzazione",
  "signIn.signIn": "Accedi",
  "join.title": "Invito di {organization}",
  "join.text": "Basta creare un account per entrare.",
  "join.name": "Nome",
  "join.email": "Indirizzo e-mail (facoltativo)",
  "join.password": "Una password, meglio se una frase lunga",
  "join.passwordRule": "Almeno {count, plural, one {# carattere} many {# di caratteri} other {# caratteri}}.",
  "join.join": "Entra",
  "invited.title": "Accesso effettuato come {name}",
  "invited.text":
    "Questo invito crea un nuovo account in {organization}. Per usarlo qui, bisogna uscire ed entrare come un’altra persona; l’account attuale appartiene a {own}.",
  "invited.stay": "Resta come {name}",
  "invited.join": "Esci ed entra come un’altra persona",
  "join.refused": "Questo invito non funziona più",
  "join.refusedText": "Se è già servito per entrare, basta accedere.",
  "signIn.with": "Accedi con {provider}",
  "signIn.failed": "L’accesso da quel servizio non è andato a buon fine. {reason}",
  "signIn.failed.notBegunHere": "È cominciato in un altro browser, o troppo tempo fa: bisogna riprovare.",
  "signIn.failed.refused": "Il fornitore di identità non ha riconosciuto nessuno.",
  "signIn.failed.unusable": "Il fornitore di identità ora non è utilizzabile; il motivo è nel registro del server.",
  "signIn.failed.disabled": "Questo account è disattivato: bisogna rivolgersi a un amministratore.",
  "signIn.failed.invitation": "L’invito non è più aperto: bisogna chiederne un altro.",
  "signIn.failed.notInvited": "Qui non c’è ancora un account: bisogna chiedere un invito.",
  "signIn.failed.exists":
    "Esiste già un account con questo indirizzo: bisogna accedere a quello e aggiungervi il fornitore.",
  "signIn.failed.email": "Quell’indirizzo e-mail non è tra quelli che possono accedere qui.",
  "signIn.signedOut": "Uscita effettuata.",
};
