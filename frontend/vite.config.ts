import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// While developing, the page comes from Vite and everything else from a server on its default port.
const SERVER = "http://127.0.0.1:8080";
const proxied = { target: SERVER, changeOrigin: true, headers: { origin: SERVER } };

/** While developing: every address of the console is its one page, and a share has its own, as the server has it. */
const consolePage: Plugin = {
  name: "console-page",
  configureServer(server) {
    server.middlewares.use((request, _response, next) => {
      const asked = request as { url?: string };
      if (/^\/console(\/|$)/.test(asked.url ?? "")) asked.url = "/console.html";
      if (/^\/share$/.test(asked.url ?? "")) asked.url = "/share.html";
      next();
    });
  },
};

// The console is built by itself: were the conversation to share its chunks, it would load what the console alone uses.
const PAGES: Record<string, string> = { index: "index.html", docs: "docs.html", share: "share.html" };
const CONSOLE: Record<string, string> = { console: "console.html" };

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), consolePage],
  build: {
    // The first versions with light-dark(): all from before June 2024.
    target: ["chrome123", "firefox120", "safari17.5"],
    // A data: address would break the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: mode === "console" ? CONSOLE : PAGES },
  },
  server: {
    host: "127.0.0.1", // the session's cookie belongs to the host
    proxy: { "/v1": proxied, "/auth": proxied, "/ready": proxied, "/openapi.json": proxied },
  },
  test: { include: ["tests/**/*.test.ts"] },
}));
