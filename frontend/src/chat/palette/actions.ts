/** The commands of the palette. */
import { changeLanguage, LANGUAGES, type Language } from "../../i18n/catalogue.svelte";
import { preferences, THEMES } from "../../preferences.svelte";
import { hasWords } from "../../shared/has-words";
import { SHORTCUTS } from "../shortcuts";
import { t } from "../sidebar/texts";

export interface Action {
  id: string;
  label: string;
  keys?: readonly string[];
  run: () => void;
}

export interface Page {
  onNew: () => void;
  onShortcuts: () => void;
  onToggleSide: () => void;
}

/** What the page can do, in the reader's language. */
export function pageActions(page: Page): Action[] {
  return [
    { id: "new", label: t("side.new"), keys: SHORTCUTS.new.keys[0], run: page.onNew },
    { id: "side", label: SHORTCUTS.side.name(), keys: SHORTCUTS.side.keys[0], run: page.onToggleSide },
    { id: "shortcuts", label: t("palette.shortcuts"), keys: SHORTCUTS.show.keys[0], run: page.onShortcuts },
    { id: "console", label: t("palette.console"), run: () => location.assign("/console") },
    { id: "docs", label: t("palette.docs"), run: () => location.assign("/docs") },
  ];
}

/** How the page looks and in which language it speaks: many commands that are seldom given, listed last. */
export function appearanceActions(): Action[] {
  const themes = { light: t("palette.theme.light"), dark: t("palette.theme.dark"), system: t("palette.theme.system") };
  return [
    ...THEMES.map((theme) => ({
      id: `theme ${theme}`,
      label: themes[theme],
      run: () => {
        preferences.theme = theme;
        preferences.save();
      },
    })),
    ...Object.entries(LANGUAGES).map(([code, name]) => ({
      id: `language ${code}`,
      label: t("palette.language", { name }),
      run: () => void changeLanguage(code as Language),
    })),
  ];
}

/** Those whose label has all words of the query. */
export function matching(actions: readonly Action[], query: string): Action[] {
  return actions.filter(({ label }) => hasWords(label, query));
}
