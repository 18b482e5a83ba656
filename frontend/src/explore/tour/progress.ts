/** How far somebody is in the tour: kept in this browser alone. Lost storage is no error. */
const KEY = "aquilon.tour";

export interface Progress {
  /** The step that is shown; as many as there are steps at the end. */
  step: number;
  /** The option chosen at each step; null for a question that is open. */
  answers: (number | null)[];
}

export function fresh(steps: number): Progress {
  return { step: 0, answers: Array.from({ length: steps }, () => null) };
}

/** What was kept, if it is of a tour with so many steps and options. */
export function read(steps: number, options: number, storage: Pick<Storage, "getItem"> = localStorage): Progress {
  try {
    const kept: unknown = JSON.parse(storage.getItem(KEY) ?? "null");
    if (isProgress(kept, steps, options)) return { step: kept.step, answers: [...kept.answers] };
  } catch {
    // nothing readable is there
  }
  return fresh(steps);
}

export function keep(progress: Progress, storage: Pick<Storage, "setItem"> = localStorage): void {
  try {
    storage.setItem(KEY, JSON.stringify(progress));
  } catch {
    // forbidden or full: it lasts as long as the page
  }
}

function isProgress(kept: unknown, steps: number, options: number): kept is Progress {
  if (typeof kept !== "object" || kept === null) return false;
  const { step, answers } = kept as Partial<Progress>;
  const isPlace = (value: unknown, most: number): boolean =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) < most;
  return (
    isPlace(step, steps + 1) &&
    Array.isArray(answers) &&
    answers.length === steps &&
    answers.every((answer) => answer === null || isPlace(answer, options))
  );
}

export function score(answers: readonly (number | null)[], right: readonly number[]): number {
  return right.filter((option, step) => answers[step] === option).length;
}
