export const texts = {
  "room.full": "At most {most} characters fit here: the end of a longer text is left out.",
};
