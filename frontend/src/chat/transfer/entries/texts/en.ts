export const texts = {
  "entries.share": "Share…",
  "entries.markdown": "Export as Markdown",
  "entries.json": "Export as JSON",
  "entries.import": "Import conversations…",
};
