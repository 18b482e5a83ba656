/** Asking to join. */
export const texts = {
  "ask.title": "Not invited yet?",
  "ask.text": "Ask to join. An administrator reads the list and sends invitations; no account is created now.",
  "ask.name": "Your name",
  "ask.email": "E-mail address",
  "ask.reason": "Why you want to join (optional)",
  "ask.send": "Ask to join",
  "ask.received": "Your request was received. If it is admitted, you will be sent an invitation.",
};
