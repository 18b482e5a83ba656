/** The console's pages: where they are, for whom, and how they are loaded. */
import type { Component } from "svelte";
import { loadTexts } from "../i18n/catalogue.svelte";
import type { Access } from "./access";
import { t, type ConsoleKey } from "./i18n/catalogue.svelte";
import type { PageProps } from "./page";
import { say } from "./pages/people/words";
import type { GlyphName } from "./parts/Glyph.svelte";

export interface ConsolePage {
  path: string;
  /** Its text's key, or what gives the text from a catalogue of its own. */
  title: ConsoleKey | (() => string);
  glyph: GlyphName;
  shown: (access: Access) => boolean;
  load: () => Promise<{ default: Component<PageProps> }>;
}

export interface PageGroup {
  /** null needs no heading. */
  title: ConsoleKey | null;
  pages: readonly ConsolePage[];
}

/** For a page with texts of its own, which are loaded before it is shown. */
async function withTexts<Page>(loading: Promise<Page>): Promise<Page> {
  const page = await loading;
  await loadTexts();
  return page;
}

const everyone = () => true;
const operator = (access: Access) => access.operates;

export const GROUPS: readonly PageGroup[] = [
  {
    title: null,
    pages: [
      {
        path: "/console",
        title: "overview.title",
        glyph: "home",
        shown: everyone,
        load: () => withTexts(import("./pages/Overview.svelte")),
      },
      {
        path: "/console/playground",
        title: "playground.title",
        glyph: "play",
        shown: (access) => access.may("generate"),
        load: () => withTexts(import("./pages/Playground.svelte")),
      },
      {
        path: "/console/keys",
        title: "keys.title",
        glyph: "key",
        shown: everyone,
        load: () => import("./pages/Keys.svelte"),
      },
      {
        path: "/console/usage",
        title: "usage.title",
        glyph: "chart",
        shown: everyone,
        load: () => import("./pages/Usage.svelte"),
      },
      {
        path: "/console/requests",
        title: "usage.requests",
        glyph: "log",
        shown: everyone,
        load: () => withTexts(import("./pages/Requests.svelte")),
      },
      {
        path: "/console/batches",
        title: "batches.title",
        glyph: "layers",
        shown: (access) => access.may("batches.use"),
        load: () => withTexts(import("./pages/Batches.svelte")),
      },
      {
        path: "/console/fine-tuning",
        title: "fineTuning.title",
        glyph: "curve",
        shown: (access) => access.may("fine_tuning.use"),
        load: () => withTexts(import("./pages/FineTuning.svelte")),
      },
      {
        path: "/console/files",
        title: "files.title",
        glyph: "page",
        shown: (access) => access.may("files.use"),
        load: () => withTexts(import("./pages/Files.svelte")),
      },
      {
        path: "/console/account",
        title: "account.title",
        glyph: "lock",
        shown: everyone,
        load: () => import("./pages/Account.svelte"),
      },
    ],
  },
  {
    title: "nav.organization",
    pages: [
      {
        path: "/console/members",
        title: "members.title",
        glyph: "people",
        shown: (access) => access.mayEverywhere("members.read"),
        load: () => import("./pages/Members.svelte"),
      },
      {
        path: "/console/invitations",
        title: "invitations.title",
        glyph: "letter",
        shown: (access) => access.mayEverywhere("members.manage"),
        load: () => import("./pages/Invitations.svelte"),
      },
      {
        path: "/console/waiting-list",
        title: () => say("waiting.title"),
        glyph: "list",
        shown: (access) => access.mayEverywhere("members.manage"),
        load: () => import("./pages/people/WaitingList.svelte"),
      },
      {
        path: "/console/workspaces",
        title: "workspaces.title",
        glyph: "rooms",
        shown: (access) => access.may("workspaces.read"),
        load: () => import("./pages/Workspaces.svelte"),
      },
      {
        path: "/console/chat",
        title: () => say("chat.title"),
        glyph: "bubble",
        shown: (access) => access.may("organization.update"),
        load: () => import("./pages/people/ChatSettings.svelte"),
      },
      {
        path: "/console/audit",
        title: "audit.title",
        glyph: "log",
        shown: (access) => access.may("audit.read"),
        load: () => import("./pages/Audit.svelte"),
      },
      {
        path: "/console/settings",
        title: "settings.title",
        glyph: "house",
        shown: (access) => access.may("organization.update"),
        load: () => withTexts(import("./pages/Settings.svelte")),
      },
    ],
  },
  {
    title: "nav.money",
    pages: [
      {
        path: "/console/budgets",
        title: "budgets.title",
        glyph: "purse",
        shown: everyone,
        load: () => import("./pages/Budgets.svelte"),
      },
      {
        path: "/console/limits",
        title: "limits.title",
        glyph: "gauge",
        shown: everyone,
        load: () => import("./pages/Limits.svelte"),
      },
      {
        path: "/console/quotas",
        title: () => say("quotas.title"),
        glyph: "share",
        shown: (access) => access.mayEverywhere("members.manage"),
        load: () => import("./pages/people/Quotas.svelte"),
      },
      {
        path: "/console/statements",
        title: "statements.title",
        glyph: "bill",
        shown: (access) => access.mayEverywhere("usage.read"),
        load: () => import("./pages/Statements.svelte"),
      },
    ],
  },
  {
    title: "nav.server",
    pages: [
      {
        path: "/console/models",
        title: "models.title",
        glyph: "cube",
        shown: operator,
        load: () => import("./pages/Models.svelte"),
      },
      {
        path: "/console/upstreams",
        title: "upstreams.title",
        glyph: "route",
        shown: operator,
        load: () => import("./pages/Upstreams.svelte"),
      },
      {
        path: "/console/organizations",
        title: "organizations.title",
        glyph: "globe",
        shown: operator,
        load: () => withTexts(import("./pages/Organizations.svelte")),
      },
      {
        path: "/console/sign-on",
        title: "signOn.title",
        glyph: "shield",
        shown: operator,
        load: () => import("./pages/SignOn.svelte"),
      },
    ],
  },
];

export function titleOf(page: ConsolePage): string {
  return typeof page.title === "string" ? t(page.title) : page.title();
}

export function pageAt(path: string): ConsolePage | null {
  const plain = path.replace(/(.)\/+$/, "$1");
  return GROUPS.flatMap((group) => group.pages).find((page) => page.path === plain) ?? null;
}
