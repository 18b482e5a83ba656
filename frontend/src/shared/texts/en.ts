/** Texts of the menu. `{name}` marks what is filled in. */
export const texts = {
  "menu.explore": "Explore",
};
