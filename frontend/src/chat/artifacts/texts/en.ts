/** What is opened beside the talk. */
export const texts = {
  "artifact.open": "Open beside",
  "artifact.html": "Web page",
  "artifact.svg": "Drawing",
  "artifact.markdown": "Text",
  "artifact.table": "Table",
  "artifact.code": "Code {language}",
  "artifact.preview": "Preview",
  "artifact.source": "Source text",
  "artifact.sides": "What is shown",
  "artifact.download": "Download",
  "artifact.versions": "Versions",
  "artifact.previous": "Previous version",
  "artifact.next": "Next version",
};
