/** Whether the browser is connected, and whether a message waits until it is again. */

class Connection {
  offline = $state(!navigator.onLine);
  /** The conversation in which one message waits, by the key of its draft; null for none. */
  waitsIn = $state<string | null>(null);

  constructor() {
    addEventListener("offline", () => (this.offline = true));
    addEventListener("online", () => (this.offline = false));
  }

  /** Whether the message that waits in this conversation is to be sent now; true once. */
  takeWaiting(conversation: string): boolean {
    if (this.offline || this.waitsIn !== conversation) return false;
    this.waitsIn = null;
    return true;
  }
}

export const connection = new Connection();
