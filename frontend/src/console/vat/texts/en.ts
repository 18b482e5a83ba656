export const texts = {
  "vat.number": "VAT number",
  "vat.numberHint": "Shown on the monthly statements.",
  "vat.percent": "VAT, in percent",
  "vat.percentHint": "On this organization’s statements. Empty: the rate of the server’s settings.",
};
