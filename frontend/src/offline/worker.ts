/**
 * The service worker: opens the conversation's page without a connection.
 *
 * It keeps the page and its files, whose names carry a hash of their content; never an answer of the API, and nothing
 * that anybody wrote. The page itself comes from the server whenever one answers, so that it never names files that are
 * gone. A new version waits until the person reloads: the page that is open keeps its files until then.
 *
 * `vite.config.ts` writes it to `/worker.js`, behind the list of files in place of `SHELL`.
 */
declare const SHELL: readonly string[];

interface Lifetime extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Event {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface Worker {
  readonly caches: CacheStorage;
  readonly clients: { claim(): Promise<void> };
  readonly location: Location;
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listen: (event: Lifetime) => void): void;
  addEventListener(type: "fetch", listen: (event: Fetching) => void): void;
  addEventListener(type: "message", listen: (event: MessageEvent) => void): void;
}

const worker = self as unknown as Worker;
const PAGE = "/";
const ASSETS = "/assets/";
/** One cache for each version: the list changes with any file. */
const NAME = `shell ${SHELL.join(" ")}`;
const ELSEWHERE = /^\/(console|explore|docs|share|v1|auth|api)(\/|\.|$)/;

worker.addEventListener("install", (event) => {
  event.waitUntil(
    worker.caches.open(NAME).then((cache) => cache.addAll([new Request(PAGE, { cache: "no-cache" }), ...SHELL])),
  );
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(
    worker.caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== NAME).map((name) => worker.caches.delete(name))))
      .then(() => worker.clients.claim()),
  );
});

worker.addEventListener("message", (event) => {
  if (event.data === "activate") void worker.skipWaiting();
  else event.ports[0]?.postMessage(SHELL.includes(String(event.data))); // is the page with this script of this version?
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== worker.location.origin) return;
  if (request.mode === "navigate" && !ELSEWHERE.test(pathname)) event.respondWith(page(request));
  else if (pathname.startsWith(ASSETS)) event.respondWith(asset(request));
});

/** The page from the server; the kept one only where nobody answers. */
async function page(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await worker.caches.match(PAGE, { cacheName: NAME });
    if (kept === undefined) throw error;
    return kept;
  }
}

/** A file whose name says what is in it: the kept one is the same. */
async function asset(request: Request): Promise<Response> {
  const kept = await worker.caches.match(request, { ignoreVary: true });
  if (kept !== undefined) return kept;
  const response = await fetch(request);
  if (response.ok) {
    const cache = await worker.caches.open(NAME);
    await cache.put(request, response.clone()).catch(() => undefined); // there may be no room
  }
  return response;
}
