export const texts = {
  "upload.drop": "Drop files here, or",
  "upload.choose": "choose files",
  "upload.purpose": "Purpose",
  "upload.batch": "batch job: one request a line, as JSON",
  "upload.user_data": "document, for libraries and questions",
  "upload.ofMe": "Only for me",
  "upload.progress": "Uploading {name}",
  "upload.stop": "Stop",
  "upload.done": "{name} is uploaded.",
  "upload.fine-tune": "examples to fine-tune a model with",
};
