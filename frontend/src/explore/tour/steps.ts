/** The tour's steps: what each shows, and the question after it. */
import ContextStep from "./ContextStep.svelte";
import CostStep from "./CostStep.svelte";
import EnergyStep from "./EnergyStep.svelte";
import HallucinationStep from "./HallucinationStep.svelte";
import type { Step } from "./step";
import TemperatureStep from "./TemperatureStep.svelte";
import TokensStep from "./TokensStep.svelte";

export const OPTIONS = 3;

export const STEPS: readonly Step[] = [
  {
    title: "tokens.title",
    text: "tokens.text",
    view: TokensStep,
    question: "tokens.question",
    options: ["tokens.a", "tokens.b", "tokens.c"],
    right: 1,
    why: "tokens.why",
  },
  {
    title: "temperature.title",
    text: "temperature.text",
    view: TemperatureStep,
    question: "temperature.question",
    options: ["temperature.a", "temperature.b", "temperature.c"],
    right: 0,
    why: "temperature.why",
  },
  {
    title: "context.title",
    text: "context.text",
    view: ContextStep,
    question: "context.question",
    options: ["context.a", "context.b", "context.c"],
    right: 2,
    why: "context.why",
  },
  {
    title: "hallucination.title",
    text: "hallucination.text",
    view: HallucinationStep,
    question: "hallucination.question",
    options: ["hallucination.a", "hallucination.b", "hallucination.c"],
    right: 1,
    why: "hallucination.why",
  },
  {
    title: "cost.title",
    text: "cost.text",
    view: CostStep,
    question: "cost.question",
    options: ["cost.a", "cost.b", "cost.c"],
    right: 2,
    why: "cost.why",
  },
  {
    title: "energy.title",
    text: "energy.text",
    view: EnergyStep,
    question: "energy.question",
    options: ["energy.a", "energy.b", "energy.c"],
    right: 0,
    why: "energy.why",
  },
];
