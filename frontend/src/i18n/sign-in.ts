/** The texts of signing in, for those who are not: most are, and load none of them. */
import { fill, language, type Language } from "./catalogue.svelte";

const en = {
  "signIn.title": "Sign in",
  "signIn.text":
    "The person who runs Aquilon can make a link that signs you in once; open it in this browser. Signed in, you may set a password in the console.",
  "signIn.first": "If that person is you: the first link was printed when Aquilon started. This command makes another:",
  "signIn.expired.title": "This link no longer works",
  "signIn.expired.text":
    "A sign-in link works once and for a short time. It has been used, or its time is over. On the machine where Aquilon runs, this command makes another:",
  "signIn.refused.title": "Signing in was refused",
  "signIn.refused.text": "The server says: {message}",
  "signIn.link.title": "Sign in with a link",
  "signIn.who": "Name or e-mail address",
  "signIn.password": "Password",
  "signIn.elsewhere": "I belong to another organization",
  "signIn.organization": "Organization",
  "signIn.signIn": "Sign in",
  "join.title": "{organization} invites you",
  "join.text": "Make your account, and you are in.",
  "join.name": "Your name",
  "join.email": "E-mail address (not needed)",
  "join.password": "A password, best a long sentence",
  "join.passwordRule": "At least {count} characters.",
  "join.join": "Join",
  "invited.title": "You are signed in as {name}",
  "invited.text":
    "This invitation makes a new account in {organization}. To use it yourself, sign out and join as someone else; you belong to {own} now.",
  "invited.stay": "Stay signed in as {name}",
  "invited.join": "Sign out and join as someone else",
  "join.refused": "This invitation no longer works",
  "join.refusedText": "Ask whoever sent it for another one.",
  "signIn.with": "Sign in with {provider}",
  "signIn.failed": "Signing in there came to nothing. {reason}",
  "signIn.failed.notBegunHere": "It was begun in another browser, or too long ago: try again.",
  "signIn.failed.refused": "The identity provider signed nobody in.",
  "signIn.failed.unusable": "The identity provider can’t be used now; the server’s log has the reason.",
  "signIn.failed.disabled": "This account is disabled: ask an administrator.",
  "signIn.failed.invitation": "The invitation is not open any more: ask for another.",
  "signIn.failed.notInvited": "You have no account here yet: ask for an invitation.",
  "signIn.failed.exists": "There is an account with this address already: sign in to it, then add the provider there.",
  "signIn.failed.email": "Your e-mail address there is not one that may sign in here.",
  "signIn.signedOut": "You have signed out.",
} as const;

export type SignInKey = keyof typeof en;

const fr: Record<SignInKey, string> = {
  "signIn.title": "Se connecter",
  "signIn.text":
    "La personne qui fait tourner Aquilon peut créer un lien qui vous connecte une fois\u00a0; ouvrez-le dans ce navigateur. Une fois connecté, vous pouvez choisir un mot de passe dans la console.",
  "signIn.first":
    "Si cette personne, c’est vous\u00a0: le premier lien s’est affiché au démarrage d’Aquilon. Cette commande en crée un autre\u00a0:",
  "signIn.expired.title": "Ce lien ne fonctionne plus",
  "signIn.expired.text":
    "Un lien de connexion ne sert qu’une fois et pour peu de temps. Il a déjà servi, ou son temps est passé. Sur la machine où tourne Aquilon, cette commande en crée un autre\u00a0:",
  "signIn.refused.title": "La connexion a été refusée",
  "signIn.refused.text": "Le serveur dit\u00a0: {message}",
  "signIn.link.title": "Se connecter par un lien",
  "signIn.who": "Nom ou adresse e-mail",
  "signIn.password": "Mot de passe",
  "signIn.elsewhere": "Je fais partie d’une autre organisation",
  "signIn.organization": "Organisation",
  "signIn.signIn": "Se connecter",
  "join.title": "{organization} vous invite",
  "join.text": "Créez votre compte, et vous y êtes.",
  "join.name": "Votre nom",
  "join.email": "Adresse e-mail (facultative)",
  "join.password": "Un mot de passe, de préférence une longue phrase",
  "join.passwordRule": "Au moins {count} caractères.",
  "join.join": "Rejoindre",
  "invited.title": "Vous êtes connecté en tant que {name}",
  "invited.text":
    "Cette invitation crée un nouveau compte chez {organization}. Pour l’utiliser vous-même, déconnectez-vous et rejoignez sous un autre nom\u00a0; vous êtes actuellement chez {own}.",
  "invited.stay": "Rester connecté en tant que {name}",
  "invited.join": "Se déconnecter et rejoindre sous un autre nom",
  "join.refused": "Cette invitation ne fonctionne plus",
  "join.refusedText": "Demandez-en une autre à la personne qui vous l’a envoyée.",
  "signIn.with": "Se connecter avec {provider}",
  "signIn.failed": "La connexion par ce service n’a pas abouti. {reason}",
  "signIn.failed.notBegunHere": "Elle a commencé dans un autre navigateur, ou il y a trop longtemps\u00a0: réessayez.",
  "signIn.failed.refused": "Le fournisseur d’identité n’a connecté personne.",
  "signIn.failed.unusable":
    "Le fournisseur d’identité est inutilisable pour l’instant\u00a0; le journal du serveur en a la raison.",
  "signIn.failed.disabled": "Ce compte est désactivé\u00a0: adressez-vous à un administrateur.",
  "signIn.failed.invitation": "L’invitation n’est plus ouverte\u00a0: demandez-en une autre.",
  "signIn.failed.notInvited": "Vous n’avez pas encore de compte ici\u00a0: demandez une invitation.",
  "signIn.failed.exists":
    "Il y a déjà un compte avec cette adresse\u00a0: connectez-vous-y, puis ajoutez-y le fournisseur.",
  "signIn.failed.email": "Votre adresse e-mail là-bas n’est pas de celles qui se connectent ici.",
  "signIn.signedOut": "Vous vous êtes déconnecté.",
};

export const SIGN_IN_TEXTS: Record<Language, Record<SignInKey, string>> = { en, fr, de: en, es: en, it: en };

/** The text for a key in the current language, its `{names}` filled in. */
export function s(key: SignInKey, values: Record<string, string | number> = {}): string {
  return fill(SIGN_IN_TEXTS[language()][key], values);
}
