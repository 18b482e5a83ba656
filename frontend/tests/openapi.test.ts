import { expect, test } from "vitest";
import { boundsOf, endpointsOf, type OpenApi, sampleOf, typeName } from "../src/docs/openapi";

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

test("bounds are written as they are meant", () => {
  expect(boundsOf({ anyOf: [{ type: "number", exclusiveMinimum: 0, maximum: 1 }, { type: "null" }] })).toBe("> 0, ≤ 1");
});
