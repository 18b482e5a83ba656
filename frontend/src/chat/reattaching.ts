/** Follows an answer of the server's through lost connections: no event twice, none left out. */
import { Problem } from "../api/problem";
import type { ResponseEvent } from "../api/responses";

const FIRST_MS = 500;
const LONGEST_MS = 10_000;

type Events = AsyncGenerator<ResponseEvent, void, void>;

export interface Connection {
  /** The stream with which the answer is followed first: the server answers once, however often it is asked. */
  begin: () => Events;
  /** The events of an answer after a number. */
  resume: (id: string, after: number) => Events;
  /** Waits before another attempt; ends early when the network is back. Rejects when nobody waits any longer. */
  pause: (milliseconds: number) => Promise<void>;
  /** Told when the connection is lost, and when it is there again. */
  onLost: (lost: boolean) => void;
}

/**
 * The events of an answer, to its end. `id` where it is known before the first event.
 *
 * Throws what `begin` throws before the answer's first event, where beginning again doesn't help, and what the
 * server refuses later.
 */
export async function* reattaching(connection: Connection, id: string | null = null): Events {
  let last = -1;
  let lost = false;
  let delay = FIRST_MS;
  let beginnings = 0;
  let stream = connection.begin();
  for (;;) {
    try {
      for await (const event of stream) {
        if (event.number <= last) continue;
        if (lost) connection.onLost((lost = false));
        delay = FIRST_MS;
        last = event.number;
        if (event.type === "begun") id = event.id;
        yield event;
        if (event.type === "end") return;
      }
      throw new Problem("interrupted", "the stream ended before the answer did");
    } catch (error) {
      const goesOn =
        id === null ? ++beginnings < mostBeginnings(error) : passes(error) || (!lost && isSignedOut(error));
      if (!goesOn) throw error;
    }
    if (!lost) connection.onLost((lost = true));
    await connection.pause(delay);
    delay = Math.min(LONGEST_MS, delay * 2);
    stream = id === null ? connection.begin() : connection.resume(id, last);
  }
}

/** How often a question is sent of which the server may have an answer: a proxy may hold that back to its end. */
function mostBeginnings(error: unknown): number {
  if (!(error instanceof Problem)) return 1;
  return { unreachable: 2, interrupted: 5 }[error.kind as string] ?? 1;
}

/** Whether another attempt may succeed. */
function passes(error: unknown): boolean {
  return (
    error instanceof Problem &&
    ["unreachable", "interrupted", "overloaded", "restarted", "unsaved", "engine"].includes(error.kind)
  );
}

/** Whether the session of the stream ended: the person may have another one by now. */
function isSignedOut(error: unknown): boolean {
  return error instanceof Problem && error.kind === "signedOut";
}

/** A wait that ends at its time, or sooner when the network comes back or the page is looked at again. */
export function pauseUntilOnline(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      document.removeEventListener("visibilitychange", onVisible);
      signal.removeEventListener("abort", done);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    };
    const onVisible = () => document.visibilityState === "visible" && done();
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    document.addEventListener("visibilitychange", onVisible);
    signal.addEventListener("abort", done);
  });
}
