/** A part that may scroll by itself: only while it does, the tab key stops at it, so that the arrow keys can move it. */
export function stopWhileScrolling(part: HTMLElement): () => void {
  part.tabIndex = 0; // until it is laid out, as what is far from the view may never be
  const watcher = new ResizeObserver(() => {
    const scrolls = part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
    part.tabIndex = scrolls ? 0 : -1; // it may still be given the focus
  });
  for (const box of [part, ...part.children]) watcher.observe(box);
  return () => watcher.disconnect();
}
