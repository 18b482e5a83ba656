/** Registers the service worker, and knows when a new version of the page waits for a reload. */

class Version {
  /** The worker of a newer version. */
  waiting = $state.raw<ServiceWorker | null>(null);

  /** Once the page can be used. Without a secure connection, or where the browser forbids it, there is none. */
  async watch(): Promise<void> {
    if (!("serviceWorker" in navigator)) return;
    try {
      const registration = await navigator.serviceWorker.register(address() as string, { updateViaCache: "none" });
      if (registration.waiting !== null) await this.#offer(registration.waiting);
      registration.addEventListener("updatefound", () => {
        const fresh = registration.installing;
        fresh?.addEventListener("statechange", () => {
          if (fresh.state === "installed") void this.#offer(fresh);
        });
      });
      document.addEventListener("visibilitychange", () => {
        if (document.visibilityState === "visible") void registration.update().catch(() => undefined);
      });
    } catch {
      // The page works without; it only doesn't open without a connection.
    }
  }

  /** A page that is of the worker's version already, as after a reload, needs no other reload. */
  async #offer(worker: ServiceWorker): Promise<void> {
    if (navigator.serviceWorker.controller === null) return; // the first one
    if (await isOfVersion(worker)) worker.postMessage("activate");
    else this.waiting = worker;
  }

  /** Changes to the version that waits, and reloads. */
  reload(): void {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    this.waiting?.postMessage("activate");
  }
}

function isOfVersion(worker: ServiceWorker): Promise<boolean> {
  const script = document.querySelector<HTMLScriptElement>("script[type=module]")?.src ?? location.href;
  const channel = new MessageChannel();
  return new Promise((resolve) => {
    channel.port1.onmessage = ({ data }: MessageEvent<boolean>) => resolve(data);
    worker.postMessage(new URL(script).pathname, [channel.port2]);
  });
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: () => string }): { createScriptURL(url: string): unknown };
}

/** The policy of the page's content trusts no other script. */
function address(): unknown {
  const { trustedTypes } = window as { trustedTypes?: TrustedTypes };
  return (
    trustedTypes?.createPolicy("aquilon", { createScriptURL: () => "/worker.js" }).createScriptURL("") ?? "/worker.js"
  );
}

export const version = new Version();
