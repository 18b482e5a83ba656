/** What a step of the tour is made of. */
import type { Component } from "svelte";
import type { User } from "../../api/types";
import type { t } from "./text";

type Key = Parameters<typeof t>[0];

export interface StepProps {
  model: string;
  user: User | null;
}

export interface Step {
  title: Key;
  text: Key;
  view: Component<StepProps>;
  question: Key;
  options: readonly Key[];
  /** The place of the right option. */
  right: number;
  why: Key;
}
