/** Does what can wait once the browser has nothing else to do; in Safari, which doesn't say when that is, soon. */
export function whenIdle(run: () => void): void {
  if ("requestIdleCallback" in window) requestIdleCallback(run);
  else setTimeout(run);
}
