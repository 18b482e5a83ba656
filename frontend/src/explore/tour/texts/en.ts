/** Texts of the guided tour. `{name}` marks what is filled in. */
export const texts = {};
