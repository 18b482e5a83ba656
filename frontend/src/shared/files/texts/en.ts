/** Around the input of a file. */
export const texts = {
  "file.choose": "Choose a file",
  "file.none": "No file chosen",
};
