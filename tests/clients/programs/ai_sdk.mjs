// Vercel's AI SDK over chat completions and Responses: a loop with a function by the scripted model, and a typed answer.
import assert from "node:assert";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const server = { baseURL: process.env.AQUILON_URL + "/v1", apiKey: process.env.AQUILON_API_KEY };
const prompt = "What is the weather in Paris?";
const weather = tool({
  description: "The weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `Sunny in ${city}`,
});
const schema = z.object({ name: z.enum(["Paris", "Rome"]), large: z.boolean() });
let last;
for (const provider of [
  createOpenAICompatible({ name: "aquilon", supportsStructuredOutputs: true, ...server }),
  createOpenAI(server),
]) {
  const run = streamText({ model: provider("scripted"), prompt, tools: { get_weather: weather }, stopWhen: stepCountIs(3) });
  const steps = await run.steps;
  assert.equal(steps[0].toolResults[0].output, "Sunny in Paris");
  assert.equal(await run.text, "Done.");
  const typed = await generateText({
    model: provider("smollm2-135m"),
    prompt,
    maxOutputTokens: 60,
    output: Output.object({ schema }),
  });
  last = schema.parse(typed.output);
}
console.log(`Sunny in Paris; ${JSON.stringify(last)}; over chat completions and Responses`);
