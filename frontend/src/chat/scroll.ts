/**
 * Keeps the end of the page in view while it grows, but only for a reader who is there: whoever scrolls up is left
 * in peace until they come back down.
 */
const NEAR_PX = 48;

export class StickyScroll {
  /** Only a conversation has an end to follow. */
  #active = false;
  #following = false;
  #lastTop = 0;
  #onChange: (following: boolean) => void;

  constructor(onChange: (following: boolean) => void) {
    this.#onChange = onChange;
  }

  /** Watches the page and a content that grows in it; returns how to stop. */
  watch(content: HTMLElement): () => void {
    const observer = new ResizeObserver(() => {
      if (this.#active && this.#following) this.#toEnd();
    });
    const onScroll = () => {
      if (!this.#active) return;
      const top = window.scrollY;
      if (this.#distance() <= NEAR_PX) this.#set(true);
      else if (top < this.#lastTop) this.#set(false);
      this.#lastTop = top;
    };
    observer.observe(content);
    window.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      observer.disconnect();
      window.removeEventListener("scroll", onScroll);
    };
  }

  /** Goes to the end and follows from there. */
  jump(): void {
    this.#active = true;
    this.#set(true);
    this.#toEnd();
  }

  /** Stays with what is about to be shown elsewhere on the page. */
  release(): void {
    this.#active = true;
    this.#set(false);
    this.#lastTop = window.scrollY;
  }

  /** Goes to the top of a page that has nothing to follow. */
  rest(): void {
    this.#active = false;
    this.#set(false);
    window.scrollTo({ top: 0, behavior: "instant" });
  }

  #distance(): number {
    return document.documentElement.scrollHeight - window.innerHeight - window.scrollY;
  }

  #toEnd(): void {
    window.scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
    this.#lastTop = window.scrollY;
  }

  #set(following: boolean): void {
    if (following === this.#following) return;
    this.#following = following;
    this.#onChange(following);
  }
}
