/**
 * Remembers what has the focus while `panel` opens. The function that it returns, called when the panel is gone, gives
 * the focus back, unless the person has put it elsewhere by then: a dialog tells of its end a moment after it closed.
 */
export function rememberFocus(panel: HTMLElement): () => void {
  const opener = document.activeElement;
  return () => {
    const { activeElement } = document;
    const moved = activeElement !== null && activeElement !== document.body && !panel.contains(activeElement);
    if (!moved && opener instanceof HTMLElement && opener.isConnected) opener.focus();
  };
}
