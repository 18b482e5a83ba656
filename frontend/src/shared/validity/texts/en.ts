/** What is wrong with a field of a form. */
export const texts = {
  "validity.missing": "Fill in this field.",
  "validity.choose": "Choose one.",
  "validity.tick": "Tick this box to go on.",
  "validity.short": "At least {least, plural, one {# character} other {# characters}}.",
  "validity.long": "At most {most, plural, one {# character} other {# characters}}.",
  "validity.least": "At least {least}.",
  "validity.most": "At most {most}.",
  "validity.number": "Write a number.",
  "validity.whole": "Write a whole number.",
  "validity.date": "Write a whole date.",
  "validity.email": "Write an e-mail address, such as name@example.org.",
  "validity.url": "Write an address, such as https://example.org.",
  "validity.form": "This is not in the form that is asked for.",
};
