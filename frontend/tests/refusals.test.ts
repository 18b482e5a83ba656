import { beforeAll, describe, expect, test, vi } from "vitest";
import { changeLanguage } from "../src/i18n/catalogue.svelte";
import { problemOf } from "../src/api/problem";
import { problemOfAnswer } from "../src/api/responses";

vi.stubGlobal("navigator", { languages: ["en"] });

const answer = (status: number, body: unknown) => new Response(JSON.stringify(body), { status });
const refused = (code: string, values: Record<string, string | number> = {}, param: string | null = null) =>
  problemOf(answer(400, { message: "In English.", type: "invalid_request_error", code, param, values }));

describe("what the server refuses", () => {
  beforeAll(() => changeLanguage("de"));

  test("is said with its numbers, and the field by the form's label", async () => {
    const problem = await refused("out_of_range", { value: -1, least: 0, most: 1000 }, "requests_per_minute");
    expect(problem.said(() => "Anfragen pro Minute")).toEqual({
      text: "Anfragen pro Minute: -1 liegt außerhalb des Erlaubten: 0 bis 1.000.",
      reason: null,
    });
    expect(problem.said().text).toBe("-1 liegt außerhalb des Erlaubten: 0 bis 1.000.");
  });

  test("has the plural of its number", async () => {
    expect((await refused("too_many_attempts", { seconds: 1 })).said().text).toMatch(/in 1 Sekunde noch/);
    expect((await refused("too_many_attempts", { seconds: 30 })).said().text).toMatch(/in 30 Sekunden noch/);
  });

  test("of a new kind is said in general, with the server's own words beside it", async () => {
    expect((await refused("of_a_later_release")).said()).toEqual({
      text: "Der Server konnte das nicht annehmen.",
      reason: "In English.",
    });
  });

  test("is said in general too where a number is missing", async () => {
    expect((await refused("out_of_range")).said().reason).toBe("In English.");
  });

  test("is not called the engine's fault where another server failed", async () => {
    const of = (code: string) => problemOf(answer(502, { message: "In English.", type: "server_error", code }));
    expect((await of("upstream_timeout")).kind).toBe("upstream");
    expect((await of("engine_failed")).kind).toBe("engine");
  });

  test("of an answer that failed names its model, and says when other servers have no room", async () => {
    await refused("limit_empty"); // loads the sentences
    const of = (code: string) => problemOfAnswer({ code, message: "In English." }, "mistral-small");
    expect(of("upstream_unavailable").said().text).toMatch(/^Die Server von „mistral-small“ sind eben ausgefallen/);
    expect(of("upstream_unavailable").kind).toBe("upstream");
    expect(of("upstream_overloaded").kind).toBe("overloaded");
    expect(of("disk_full").kind).toBe("unsaved");
    expect(of("engine_failed").kind).toBe("engine");
  });

  test("keeps another server's reason", async () => {
    expect((await refused("upstream_refused")).said()).toEqual({
      text: "Der Server des Modells hat die Anfrage abgelehnt.",
      reason: "In English.",
    });
  });

  test("follows a change of language", async () => {
    const problem = await refused("budget_negative");
    await changeLanguage("fr");
    expect(problem.said().text).toBe("Un budget ne peut pas être inférieur à 0.");
    await changeLanguage("de");
  });
});

test("what a model's server elsewhere doesn't take is no failure of the engine here", () => {
  const problem = problemOfAnswer({ code: "invalid_request_error", message: "Too many images." }, "m");
  expect([problem.kind, problem.said().reason]).toEqual(["invalid", "Too many images."]);
  expect(problemOfAnswer({ code: "engine_failed", message: "It ended." }, "m").kind).toBe("engine");
});

test.each(["server_stopping", "server_restarted"])("an answer that ended with its server is told so: %s", (code) => {
  expect(problemOfAnswer({ code, message: "In English." }, "m").kind).toBe("restarted");
});
