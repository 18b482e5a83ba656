/** Texts of the tokenizer playground. `{name}` marks what is filled in. */
export const texts = {
  title: "Tokens",
  lead: "A model reads no letters and no words. It reads tokens: pieces of text that it knows by number. Type something and see which.",
  sample: "The aquilon is the north wind: cold, clear and strong. 🌬️",
  text: "Your text",
  model: "Model",
  count: "Tokens",
  perWord: "Tokens a word",
  price: "Price to read it",
  "price.none": "no price is set",
  noModel: "No model on this server can cut a text into tokens: all answer from elsewhere.",
  "languages.title": "The same in five languages",
  "languages.lead": "A vocabulary that was made from mostly English text cuts other languages into more pieces.",
  "languages.sentence": "Sentence",
  "languages.own": "Your own",
  "languages.tokens": "Tokens: {count}",
  "languages.why":
    "More tokens mean a higher price, a slower answer, and a context that is full sooner. Change any of the sentences.",
};
