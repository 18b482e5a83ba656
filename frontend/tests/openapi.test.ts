import { expect, test } from "vitest";
import { boundsOf, endpointsOf, groupsOf, parseDocument, type OpenApi, sampleOf, typeName } from "../src/docs/openapi";

const document: OpenApi = {
  info: { title: "t", version: "1" },
  paths: {
    "/v1/things": {
      get: { summary: "All", responses: { "200": { description: "ok" } } },
      post: {
        tags: ["things"],
        security: [{ key: [] }],
        requestBody: {
          required: true,
          content: { "application/json": { schema: { $ref: "#/components/schemas/Thing" } } },
        },
      },
    },
  },
  components: {
    schemas: {
      Thing: {
        type: "object",
        required: ["name", "parent"],
        properties: {
          name: { type: "string", examples: ["it's"] },
          parent: { anyOf: [{ $ref: "#/components/schemas/Thing" }, { type: "null" }] },
          note: { type: "string" },
        },
      },
    },
  },
};
const listOf = (type: string) => `list of ${type}`;

test("an endpoint comes with a command that can be pasted, quotes and all", () => {
  const [all, create] = endpointsOf(document, "http://host");
  expect(all!.curl).toBe("curl http://host/v1/things");
  expect(create!.curl).toContain('Authorization: Bearer $AQUILON_API_KEY"');
  expect(create!.curl).toContain("it'\\''s");
});

test("a schema within itself ends", () => {
  expect(JSON.stringify(sampleOf(document, { $ref: "#/components/schemas/Thing" })).length).toBeLessThan(1000);
});

test.each([
  [{ $ref: "#/components/schemas/Thing" }, "Thing"],
  [{ type: "array", items: { $ref: "#/components/schemas/Thing" } }, "list of Thing"],
  [{ anyOf: [{ type: "string" }, { type: "null" }] }, "string"],
  [{ anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] }, "string | list of string"],
  [{ enum: ["auto", "none"] }, '"auto" | "none"'],
  [{ const: "user" }, '"user"'],
  [{}, "any"],
])("%j is called %s", (schema, name) => {
  expect(typeName(document, schema, listOf)).toBe(name);
});

test("a bound beyond what JavaScript counts to is shown digit by digit", () => {
  const text = '{"info":{},"paths":{},"components":{"schemas":{"Seed":{"minimum":-9223372036854775808,"maximum":5}}}}';
  expect(boundsOf(parseDocument(text).components!.schemas!.Seed!)).toBe("≥ -9223372036854775808, ≤ 5");
});

test("groups stand in the order of the document's tags, whatever the order of its paths", () => {
  const operation = (tag: string) => ({ get: { tags: [tag] } });
  const tagged: OpenApi = {
    info: document.info,
    tags: [{ name: "first", description: "What comes first." }, { name: "last" }],
    paths: { "/a": operation("last"), "/b": operation("unlisted"), "/c": operation("first") },
  };
  const groups = groupsOf(tagged, endpointsOf(tagged, ""));
  expect(groups.map((group) => group.tag)).toEqual(["first", "last", "unlisted"]);
  expect(groups[0]!.description).toBe("What comes first.");
});

test("bounds are written as they are meant", () => {
  expect(boundsOf({ anyOf: [{ type: "number", exclusiveMinimum: 0, maximum: 1 }, { type: "null" }] })).toBe("> 0, ≤ 1");
});
