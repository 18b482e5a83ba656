import type { texts as english } from "./en";

/** Spanish, in forms that need neither «tú» nor «usted». */
export const texts: Record<keyof typeof english, string> = {
  "signIn.title": "Iniciar sesión",
  "signIn.text":
    "La persona que gestiona Aquilon puede crear un enlace que da acceso una sola vez; debe abrirse en este navegador. Después se puede definir una contraseña en la consola.",
  "signIn.first": "Para quien gestiona Aquilon: el primer enlace se mostró al iniciarlo. Este comando crea otro:",
  "signIn.expired.title": "Este enlace ya no sirve",
  "signIn.expired.text":
    "Un enlace de acceso sirve una sola vez y durante poco tiempo. Ya se ha usado o su tiempo ha pasado. En la máquina donde funciona Aquilon, este comando crea otro:",
  "signIn.refused.title": "Se ha denegado el acceso",
  "signIn.link.title": "Entrar con un enlace",
  "signIn.who": "Nombre o correo electrónico",
  "signIn.password": "Contraseña",
  "signIn.elsewhere": "Pertenezco a otra organización",
  "signIn.organization": "Organización",
  "signIn.signIn": "Iniciar sesión",
  "join.title": "Invitación de {organization}",
  "join.text": "Basta con crear una cuenta para entrar.",
  "join.name": "Nombre",
  "join.email": "Correo electrónico (opcional)",
  "join.password": "Una contraseña; mejor, una frase larga",
  "join.passwordRule": "Al menos {count, plural, one {# carácter} many {# de caracteres} other {# caracteres}}.",
  "join.join": "Unirse",
  "invited.title": "Sesión iniciada como {name}",
  "invited.text":
    "Esta invitación crea una cuenta nueva en {organization}. Para usarla aquí, hay que cerrar la sesión y unirse como otra persona; la cuenta actual pertenece a {own}.",
  "invited.stay": "Seguir como {name}",
  "invited.join": "Cerrar la sesión y unirse como otra persona",
  "join.refused": "Esta invitación ya no sirve",
  "join.refusedText": "Si ya sirvió para unirse, basta con iniciar sesión.",
  "signIn.with": "Entrar con {provider}",
  "signIn.failed": "El acceso por ese servicio no ha llegado a buen fin. {reason}",
  "signIn.failed.notBegunHere": "Comenzó en otro navegador o hace demasiado tiempo: hay que volver a intentarlo.",
  "signIn.failed.refused": "El proveedor de identidad no ha identificado a nadie.",
  "signIn.failed.unusable":
    "El proveedor de identidad no se puede usar ahora; el registro del servidor contiene el motivo.",
  "signIn.failed.disabled": "Esta cuenta está desactivada: conviene hablar con un administrador.",
  "signIn.failed.invitation": "La invitación ya no está abierta: hay que pedir otra.",
  "signIn.failed.notInvited": "Aún no hay ninguna cuenta aquí: hay que pedir una invitación.",
  "signIn.failed.exists": "Ya existe una cuenta con esta dirección: hay que entrar en ella y añadir allí el proveedor.",
  "signIn.failed.email": "Esa dirección de correo no es de las que pueden entrar aquí.",
  "signIn.signedOut": "La sesión se ha cerrado.",
};
