/** The part that each watched box belongs to. */
const parts = new WeakMap<Element, HTMLElement>();
/** One for all: what changes in a frame is measured together, before anything is changed again. */
const watcher = new ResizeObserver((entries) => {
  const changed = [...new Set(entries.map(({ target }) => parts.get(target)!))];
  const scroll = changed.map((one) => one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight);
  changed.forEach((part, index) => (part.tabIndex = scroll[index] ? 0 : -1)); // it may still be given the focus
});

/** A part that may scroll by itself: only while it does, the tab key stops at it, so that the arrow keys can move it. */
export function stopWhileScrolling(part: HTMLElement): () => void {
  part.tabIndex = 0; // until it is laid out, as what is far from the view may never be
  const boxes = [part, ...part.children];
  for (const box of boxes) {
    parts.set(box, part);
    watcher.observe(box);
  }
  return () => boxes.forEach((box) => watcher.unobserve(box));
}
