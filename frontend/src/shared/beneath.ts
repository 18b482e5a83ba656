/** Keeps a popover beneath the button that opens it, wherever what stands beside the page has moved that button. */
export function beneath(panel: HTMLElement): () => void {
  function place(): void {
    const button = document.querySelector(`[popovertarget="${panel.id}"]`);
    if (button === null) return;
    const { left, right } = button.getBoundingClientRect();
    const atTheEnd = left + right > document.documentElement.clientWidth;
    panel.style.setProperty("--left", atTheEnd ? `calc(${right}px - var(--width))` : `${left}px`);
  }
  panel.addEventListener("beforetoggle", place);
  addEventListener("resize", place);
  return () => {
    panel.removeEventListener("beforetoggle", place);
    removeEventListener("resize", place);
  };
}
