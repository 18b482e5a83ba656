export const texts = {
  "picker.more": "Get more models",
};
