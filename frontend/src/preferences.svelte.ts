/** What a person chose for this browser: language, theme, model. Never a secret; lost storage is no error. */

const STORAGE_KEY = "aquilon.preferences";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

class Preferences {
  /** null follows the browser. */
  language = $state<string | null>(null);
  theme = $state<Theme>("system");
  /** null takes the server's first model. */
  model = $state<string | null>(null);
  /** Whether answers show how fast they came and what they cost; null shows it where there is room. */
  figures = $state<boolean | null>(null);

  constructor() {
    const stored = read();
    if (typeof stored.language === "string") this.language = stored.language;
    if (THEMES.includes(stored.theme as Theme)) this.theme = stored.theme as Theme;
    if (typeof stored.model === "string") this.model = stored.model;
    if (typeof stored.figures === "boolean") this.figures = stored.figures;
  }

  get showsFigures(): boolean {
    return this.figures ?? matchMedia("(min-width: 640px)").matches;
  }

  toggleFigures(): void {
    this.figures = !this.showsFigures;
    this.save();
  }

  chooseModel(id: string): void {
    this.model = id;
    this.save();
  }

  save(): void {
    try {
      localStorage.setItem(
        STORAGE_KEY,
        JSON.stringify({ language: this.language, theme: this.theme, model: this.model, figures: this.figures }),
      );
    } catch {
      // Storage may be forbidden or full: the choice then lasts as long as the page.
    }
  }
}

function read(): Record<string, unknown> {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}");
    return typeof stored === "object" && stored !== null ? (stored as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

export const preferences = new Preferences();

/** Puts theme and language on the root element, where the style sheet and screen readers look for them. */
export function applyToDocument(language: string): void {
  const root = document.documentElement;
  root.lang = language;
  if (preferences.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = preferences.theme;
}
