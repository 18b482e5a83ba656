/** What is left of a person's quota. */
export const texts = {
  "quota.spent.messages": "Of your quota of messages, {left} of {limit} are left.",
  "quota.spent.tokens": "Of your quota of tokens, {left} of {limit} are left: too few for this question.",
  "quota.spent.cost": "What is left of your cost quota doesn’t suffice for this question.",
  "quota.messages": "Messages left: {left} of {limit}.",
  "quota.tokens": "Tokens left: {left} of {limit}.",
  "quota.cost": "Left of your budget: {left} of {limit}.",
  "quota.again": "Begins anew at {time}.",
  "quota.againOn": "Begins anew on {time}.",
};
