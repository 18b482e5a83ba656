export const texts = {
  "picker.more": "Get more models",
  "scorecard.title": "Measured on this server",
  "scorecard.language": "Language",
  "scorecard.bits": "Bits per byte",
  "scorecard.answers": "Right answers",
  "scorecard.hint": "Fewer bits per byte are better. The range holds the true share with 95% confidence.",
  "scorecard.task": "{task}: {share} ({low} to {high})",
};
