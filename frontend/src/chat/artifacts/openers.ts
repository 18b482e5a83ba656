/** Puts a button on each code block and table of a finished answer that can be opened beside the talk. */
import { artifactsOf, type Artifact } from "./artifacts";

/** The button's place says which of the text's artifacts it opens. */
export function addOpeners(container: HTMLElement, text: string, label: string): readonly Artifact[] {
  const artifacts = artifactsOf(text);
  const places = [...container.querySelectorAll<HTMLElement>(".code, .table-frame")];
  let from = 0;
  artifacts.forEach((artifact, index) => {
    const at = places.findIndex((place, position) => position >= from && shows(place, artifact));
    if (at < 0) return; // it stands in a list or quotation, whose lines are others
    from = at + 1;
    const place = places[at]!;
    if (artifact.kind === "table") {
      const next = place.nextElementSibling;
      if (next?.classList.contains("table-tools"))
        (next.firstElementChild as HTMLElement).dataset.artifact = String(index);
      else place.after(tools(button(index, label)));
    } else {
      const there = place.querySelector<HTMLElement>(".code-open");
      if (there !== null) there.dataset.artifact = String(index);
      else place.querySelector(".code-copy")?.before(button(index, label));
    }
  });
  return artifacts;
}

function shows(place: HTMLElement, artifact: Artifact): boolean {
  if (artifact.kind === "table") return place.classList.contains("table-frame");
  return place.classList.contains("code") && place.querySelector("pre")?.textContent?.trim() === artifact.source.trim();
}

function button(index: number, label: string): HTMLElement {
  const opener = document.createElement("button");
  opener.type = "button";
  opener.className = "code-open";
  opener.textContent = label;
  opener.dataset.artifact = String(index);
  return opener;
}

function tools(...buttons: HTMLElement[]): HTMLElement {
  const frame = document.createElement("div");
  frame.className = "table-tools";
  frame.append(...buttons);
  return frame;
}
