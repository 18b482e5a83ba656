import type { texts as english } from "./en";

/** French, with a no-break space before « : » and in quotation marks, a narrow one before « ; ! ? ». */
export const texts: Record<keyof typeof english, string> = {
  "signIn.title": "Se connecter",
  "signIn.text":
    "La personne qui fait tourner Aquilon peut créer un lien qui vous connecte une fois\u202f; ouvrez-le dans ce navigateur. Une fois connecté, vous pouvez choisir un mot de passe dans la console.",
  "signIn.first":
    "Si cette personne, c’est vous\u00a0: le premier lien s’est affiché au démarrage d’Aquilon. Cette commande en crée un autre\u00a0:",
  "signIn.expired.title": "Ce lien ne fonctionne plus",
  "signIn.expired.text":
    "Un lien de connexion ne sert qu’une fois et pour peu de temps. Il a déjà servi, ou son temps est passé. Sur la machine où tourne Aquilon, cette commande en crée un autre\u00a0:",
  "signIn.refused.title": "La connexion a été refusée",
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
  "join.passwordRule": "Au moins {count, plural, one {# caractère} many {# de caractères} other {# caractères}}.",
  "join.join": "Rejoindre",
  "invited.title": "Vous êtes connecté en tant que {name}",
  "invited.text":
    "Cette invitation crée un nouveau compte chez {organization}. Pour l’utiliser vous-même, déconnectez-vous et rejoignez sous un autre nom\u202f; vous êtes actuellement chez {own}.",
  "invited.stay": "Rester connecté en tant que {name}",
  "invited.join": "Se déconnecter et rejoindre sous un autre nom",
  "join.refused": "Cette invitation ne fonctionne plus",
  "join.refusedText": "Si elle vous a déjà servi à vous inscrire, connectez-vous.",
  "signIn.with": "Se connecter avec {provider}",
  "signIn.failed": "La connexion par ce service n’a pas abouti. {reason}",
  "signIn.failed.notBegunHere": "Elle a commencé dans un autre navigateur, ou il y a trop longtemps\u00a0: réessayez.",
  "signIn.failed.refused": "Le fournisseur d’identité n’a connecté personne.",
  "signIn.failed.unusable":
    "Le fournisseur d’identité est inutilisable pour l’instant\u202f; le journal du serveur en a la raison.",
  "signIn.failed.disabled": "Ce compte est désactivé\u00a0: adressez-vous à un administrateur.",
  "signIn.failed.invitation": "L’invitation n’est plus ouverte\u00a0: demandez-en une autre.",
  "signIn.failed.notInvited": "Vous n’avez pas encore de compte ici\u00a0: demandez une invitation.",
  "signIn.failed.exists":
    "Il y a déjà un compte avec cette adresse\u00a0: connectez-vous-y, puis ajoutez-y le fournisseur.",
  "signIn.failed.email": "Votre adresse e-mail là-bas n’est pas de celles qui se connectent ici.",
  "signIn.signedOut": "Vous vous êtes déconnecté.",
};
