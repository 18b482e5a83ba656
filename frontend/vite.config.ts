import { svelte } from "@sveltejs/vite-plugin-svelte";
import { transformWithOxc, type Plugin } from "vite";
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

/** Writes `/worker.js`: `src/offline/worker.ts` behind the list of files that the conversation's page begins with. */
const offlineWorker: Plugin = {
  name: "offline-worker",
  generateBundle: {
    order: "post", // chunks of styles alone are gone by then
    async handler(_options, bundle) {
      const source = "src/offline/worker.ts";
      const entry = Object.values(bundle).find((one) => one.type === "chunk" && one.isEntry && one.name === "index");
      if (entry?.type !== "chunk") return;
      const shell = new Set<string>();
      const add = (name: string): void => {
        const chunk = bundle[name];
        if (chunk?.type !== "chunk" || shell.has(name)) return;
        shell.add(name);
        for (const style of chunk.viteMetadata?.importedCss ?? []) shell.add(style);
        chunk.imports.forEach(add);
        chunk.dynamicImports.filter((one) => LATER_OFFLINE.test(facade(bundle[one]))).forEach(add);
      };
      const facade = (chunk: unknown) =>
        (chunk as { facadeModuleId?: string | null } | undefined)?.facadeModuleId ?? "";
      add(entry.fileName);
      if (![...shell].some((name) => facade(bundle[name]).endsWith(PAGE_OFFLINE))) {
        this.error(`The service worker would not keep the page without a connection: no chunk is ${PAGE_OFFLINE}`);
      }
      const paths = [...shell].sort().map((name) => `/${name}`);
      const { code } = await transformWithOxc(await this.fs.readFile(source, { encoding: "utf8" }), source);
      this.emitFile({
        type: "asset",
        fileName: "worker.js",
        source: `const SHELL = ${JSON.stringify(paths)};\n${code}`,
      });
    },
  },
};
const PAGE_OFFLINE = "/src/chat/Offline.svelte";
/** What the page loads when it is needed, and needs without a connection too. */
const LATER_OFFLINE = new RegExp(`${PAGE_OFFLINE}$|/src/.*/texts/..\\.ts$`);

// The console and Explore are built by themselves: were the conversation to share their chunks, it would load what they
// alone use.
const PAGES: Record<string, string> = { index: "index.html", docs: "docs.html", share: "share.html" };
const APART: Record<string, Record<string, string>> = {
  console: { console: "console.html" },
  explore: { explore: "explore.html" },
};

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), pagesOfManyAddresses, offlineWorker],
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
  // the files are small: to start a process for each takes longer than to run all
  test: { include: ["tests/**/*.test.ts"], pool: "threads", isolate: false, fileParallelism: false },
}));
