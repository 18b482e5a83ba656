/** Texts of Explore's frame. `{name}` marks what is filled in. */
export const texts = {
  "nav.explore": "Explore",
  "nav.skip": "Skip to the page",
  "nav.home": "Aquilon, all pages of Explore",
  "nav.pages": "Pages of Explore",
  "nav.tokens": "Tokens",
  "nav.inside": "Look inside",
  "nav.compare": "Compare",
  "nav.tour": "Tour",
  off: "Your organization has turned this off for you: an administrator can turn it on.",
  "home.title": "What is a language model?",
  "home.lead": "Look at one while it works. Every number here comes from the model on this server.",
  "home.tokens": "See how a sentence becomes tokens, and what it costs in five languages.",
  "home.inside": "See how sure the model is of each token, and what it would have said instead.",
  "home.compare": "Two answers side by side, without names. Which one is better?",
  "home.tour": "Ten minutes, six experiments, a small quiz. The best place to start.",
};
