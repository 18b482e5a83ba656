/** The page without a connection, and a new version. */
export const texts = {
  "offline.title": "You are offline",
  "offline.text": "What you write stays here. One message can wait: it is sent when the connection is back.",
  "offline.draft": "Your message",
  "offline.wait": "Send when I am back",
  "offline.waits": "Waits for the connection",
  "offline.back": "Take it back",
  "offline.one": "One message waits already. Take it back, or wait until you are connected again.",
  "offline.notice": "You are offline. Your message waits and is sent when the connection is back.",
  "offline.sentLater": "You are offline. One message can wait until the connection is back.",
  "offline.new": "A new version of this page is here.",
  "offline.reload": "Reload",
} as const;
