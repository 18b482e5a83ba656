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

/** What a page begins with, by module: one chunk for all its code, one for its texts in each language. */
const beginnings = new Map<string, string>();
const TEXTS = /\/texts\/(..)\.ts$/;

/** Finds `beginnings`. Without it, each module that a later one imports too would be a file of its own: 40 small ones. */
const findBeginnings: Plugin = {
  name: "find-beginnings",
  buildEnd() {
    beginnings.clear();
    const add = (id: string): void => {
      const module = this.getModuleInfo(id);
      if (module === null || beginnings.has(id)) return;
      beginnings.set(id, "page");
      module.importedIds.forEach(add);
      for (const later of module.dynamicallyImportedIds) {
        const language = TEXTS.exec(later)?.[1];
        if (language !== undefined) beginnings.set(later, language);
      }
    };
    for (const id of this.getModuleIds()) if (this.getModuleInfo(id)?.isEntry) add(id);
  },
};

/** Lets code import the chunk of texts itself, in place of one file for each module in it that only passes its texts on. */
const directTexts: Plugin = {
  name: "direct-texts",
  generateBundle: {
    order: "pre", // before Vite lists what each import loads beforehand
    handler(_options, bundle) {
      const passing = new Map<string, { chunk: string; name: string }>();
      for (const [file, one] of Object.entries(bundle)) {
        const [, name, chunk] = (one.type === "chunk" && PASSES_ON.exec(one.code)) || [];
        if (name === undefined || chunk === undefined) continue;
        passing.set(file.replace("assets/", ""), { chunk, name });
        delete bundle[file];
      }
      for (const one of Object.values(bundle)) {
        if (one.type !== "chunk") continue;
        one.code = one.code.replace(IMPORT, (text, file: string) => {
          const passed = passing.get(file);
          return passed ? `import("./${passed.chunk}").then((all) => ({ texts: all.${passed.name} }))` : text;
        });
        const imports = one.dynamicImports.map((file) => passing.get(file.replace("assets/", ""))?.chunk);
        one.dynamicImports.push(
          ...new Set(imports.filter((chunk) => chunk !== undefined).map((chunk) => `assets/${chunk}`)),
        );
      }
    },
  },
};
const PASSES_ON = /^export\s*\{\s*(\w+) as texts\s*\}\s*from\s*"\.\/([^"]+)";\s*$/;
const IMPORT = /import\(\s*[`"]\.\/([^`"]+)[`"]\s*\)/g;

/** Writes `/worker.js`: `src/offline/worker.ts` behind the list of files that the conversation's page begins with. */
const offlineWorker: Plugin = {
  name: "offline-worker",
  generateBundle: {
    order: "post", // chunks of styles alone are gone by then
    async handler(_options, bundle) {
      const source = "src/offline/worker.ts";
      const holds = (name: string, wanted: RegExp): boolean => {
        const chunk = bundle[name];
        return chunk?.type === "chunk" && chunk.moduleIds.some((id) => wanted.test(id));
      };
      const entry = Object.keys(bundle).find((name) => holds(name, CONVERSATION));
      if (entry === undefined) return;
      const shell = new Set<string>();
      const add = (name: string): void => {
        const chunk = bundle[name];
        if (chunk?.type !== "chunk" || shell.has(name)) return;
        shell.add(name);
        for (const style of chunk.viteMetadata?.importedCss ?? []) shell.add(style);
        chunk.imports.forEach(add);
        chunk.dynamicImports.filter((one) => holds(one, LATER_OFFLINE)).forEach(add);
      };
      add(entry);
      if (![...shell].some((name) => holds(name, PAGE_OFFLINE))) {
        this.error(`The service worker would not keep the page without a connection: no chunk has ${PAGE_OFFLINE}`);
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
const CONVERSATION = /\/src\/main\.ts$/;
const PAGE_OFFLINE = /\/src\/chat\/Offline\.svelte$/;
/** What the page loads when it is needed, and needs without a connection too. */
const LATER_OFFLINE = new RegExp(
  `${PAGE_OFFLINE.source}|/src/chat/TalkView\\.svelte$|/src/markdown/view\\.ts$|${TEXTS.source}`,
);

// Each page is built by itself: were they to share chunks, each would load in many small pieces, with what others use.
const OTHER_PAGES = ["console", "docs", "explore", "share"];

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), pagesOfManyAddresses, findBeginnings, directTexts, offlineWorker],
  build: {
    // The first versions with light-dark(), popovers and Intl.Segmenter: all from before June 2024.
    target: ["chrome123", "firefox125", "safari17.5"],
    // A data: address would break the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: OTHER_PAGES.includes(mode) ? `${mode}.html` : "index.html",
      output: {
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [{ name: (id) => beginnings.get(id) ?? null, debugName: "beginnings" }],
        },
      },
    },
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
