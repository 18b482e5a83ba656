/** Sentences that say the same in five languages, to be cut into tokens side by side. */
import type { Language } from "../../i18n/catalogue.svelte";

export const ORDER: readonly Language[] = ["en", "fr", "de", "es", "it"];

export type Sentence = Record<Language, string>;

export const SENTENCES: readonly Sentence[] = [
  {
    en: "The north wind and the sun were arguing about which of them was the stronger.",
    fr: "La bise et le soleil se disputaient, chacun assurant qu’il était le plus fort.",
    de: "Der Nordwind und die Sonne stritten sich, wer von ihnen der Stärkere wäre.",
    es: "El viento norte y el sol discutían por saber cuál de los dos era el más fuerte.",
    it: "Il vento del nord e il sole discutevano su chi dei due fosse il più forte.",
  },
  {
    en: "All human beings are born free and equal in dignity and rights.",
    fr: "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    de: "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    es: "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    it: "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti.",
  },
  {
    en: "Could you please send me the invoice for the month of March by tomorrow evening?",
    fr: "Pourriez-vous m’envoyer la facture du mois de mars d’ici demain soir ?",
    de: "Könnten Sie mir bitte die Rechnung für den Monat März bis morgen Abend schicken?",
    es: "¿Podría enviarme la factura del mes de marzo antes de mañana por la noche?",
    it: "Potrebbe inviarmi la fattura del mese di marzo entro domani sera?",
  },
  {
    en: "Tomorrow it will rain in the morning, and in the afternoon the sun will come out.",
    fr: "Demain il pleuvra le matin, et l’après-midi le soleil reviendra.",
    de: "Morgen wird es am Vormittag regnen, und am Nachmittag kommt die Sonne heraus.",
    es: "Mañana lloverá por la mañana y por la tarde saldrá el sol.",
    it: "Domani pioverà al mattino e nel pomeriggio uscirà il sole.",
  },
];
