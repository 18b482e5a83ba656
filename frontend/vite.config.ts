import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// While developing, the page comes from Vite and everything else from a server on its default port.
const SERVER = "http://127.0.0.1:8080";
const proxied = { target: SERVER, changeOrigin: true, headers: { origin: SERVER } };

/** While developing: every address of the console, and of Explore, is its one page, as the server has it. */
const pagesOfManyAddresses: Plugin = {
  name: "pages-of-many-addresses",
  configureServer(server) {
    server.middlewares.use((request, _response, next) => {
      const asked = request as { url?: string };
      const name = /^\/(console|explore|share)(\/|$)/.exec(asked.url ?? "")?.[1];
      if (name !== undefined) asked.url = `/${name}.html`;
      next();
    });
  },
};

// The console and Explore are built by themselves: were the conversation to share their chunks, it would load what they
// alone use.
const PAGES: Record<string, string> = { index: "index.html", docs: "docs.html", share: "share.html" };
const APART: Record<string, Record<string, string>> = {
  console: { console: "console.html" },
  explore: { explore: "explore.html" },
};

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), pagesOfManyAddresses],
  build: {
    // The first versions with light-dark(): all from before June 2024.
    target: ["chrome123", "firefox120", "safari17.5"],
    // A data: address would break the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: APART[mode] ?? PAGES },
  },
  server: {
    host: "127.0.0.1", // the session's cookie belongs to the host
    proxy: {
      "/v1": proxied,
      "/auth": proxied,
      "/ready": proxied,
      "/openapi.json": proxied,
      "/artifact-frame": proxied,
    },
  },
  test: { include: ["tests/**/*.test.ts"] },
}));
