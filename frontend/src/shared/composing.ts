/**
 * Whether a key is an input method's, as the Enter is that picks a character. Safari tells of that Enter once the
 * composition is over, and marks it by the number that keys of input methods have.
 */
export const isComposing = (event: KeyboardEvent): boolean => event.isComposing || event.keyCode === 229;
