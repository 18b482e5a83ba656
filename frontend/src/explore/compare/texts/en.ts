/** Texts of comparing two answers. `{name}` marks what is filled in. */
export const texts = {};
