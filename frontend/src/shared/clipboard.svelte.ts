/** Copying a text, and whether the browser let it. */

const SHOWN_MS = 1600;

/** Whether the text is on the clipboard now: a page without a secure origin may not write there. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** What became of the last copy, for as long as a button says so. */
export class Copying {
  state = $state<"idle" | "copied" | "refused">("idle");
  #timer: ReturnType<typeof setTimeout> | undefined;

  async copy(text: string): Promise<void> {
    this.state = (await copyText(text)) ? "copied" : "refused";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.state = "idle"), SHOWN_MS);
  }
}
