/** Reads an OpenAPI 3.1 document into what the reference page shows. */

export interface Schema {
  $ref?: string;
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  example?: unknown;
  examples?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema | boolean;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  additionalProperties?: Schema | boolean;
  /** Digits where a number is too large for JavaScript to hold exactly. */
  minimum?: number | string;
  maximum?: number | string;
  exclusiveMinimum?: number | string;
  exclusiveMaximum?: number | string;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  format?: string;
}

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: Schema;
}

interface Content {
  [mediaType: string]: { schema?: Schema; example?: unknown; examples?: Record<string, { value?: unknown }> };
}

interface Operation {
  tags?: string[];
  summary?: string;
  description?: string;
  operationId?: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content?: Content };
  responses?: Record<string, { description?: string; content?: Content }>;
  security?: unknown[];
}

export interface OpenApi {
  info: { title: string; version: string; description?: string };
  tags?: { name: string; description?: string }[];
  paths: Record<string, Record<string, unknown>>;
  components?: { schemas?: Record<string, Schema> };
  security?: unknown[];
}

export interface Endpoint {
  id: string;
  method: string;
  path: string;
  summary: string;
  description: string;
  tag: string;
  keyNeeded: boolean;
  parameters: Parameter[];
  body: { schema: Schema; mediaType: string; required: boolean } | null;
  responses: { status: string; description: string; schema: Schema | null }[];
  curl: string;
}

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEEPEST_SAMPLE = 5;

/** Integers of so many digits may be rounded when they are read. */
const LONG_NUMBER = /"(minimum|maximum|exclusiveMinimum|exclusiveMaximum|default)":(-?\d{16,})(?=[,}])/g;

/** Reads the document; what JavaScript would round stays as it is written. */
export function parseDocument(text: string): OpenApi {
  return JSON.parse(text.replace(LONG_NUMBER, '"$1":"$2"')) as OpenApi;
}

export interface Group {
  tag: string;
  description: string;
  members: Endpoint[];
}

/** The endpoints by their tags, in the order in which the document lists those. */
export function groupsOf(document: OpenApi, endpoints: readonly Endpoint[]): Group[] {
  const listed = document.tags ?? [];
  const tags = new Set([...listed.map(({ name }) => name), ...endpoints.map(({ tag }) => tag)]);
  return [...tags]
    .map((tag) => ({
      tag,
      description: listed.find(({ name }) => name === tag)?.description ?? "",
      members: endpoints.filter((endpoint) => endpoint.tag === tag),
    }))
    .filter(({ members }) => members.length > 0);
}

/** Every endpoint in the document's own order. */
export function endpointsOf(document: OpenApi, origin: string): Endpoint[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .filter((method) => METHODS.includes(method))
      .map((method) => endpoint(document, method, path, operations[method] as Operation, origin)),
  );
}

function endpoint(document: OpenApi, method: string, path: string, operation: Operation, origin: string): Endpoint {
  const [mediaType, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const security = operation.security ?? document.security ?? [];
  const keyNeeded = security.length > 0;
  const schema = content?.schema ?? null;
  const written = content?.example ?? Object.values(content?.examples ?? {})[0]?.value;
  const sample = schema === null ? undefined : (written ?? sampleOf(document, schema));
  return {
    id: `${method}${path}`.replace(/[^a-z0-9]+/gi, "-").toLowerCase(),
    method: method.toUpperCase(),
    path,
    summary: operation.summary ?? "",
    description: operation.description ?? "",
    tag: operation.tags?.[0] ?? path.split("/")[1] ?? "",
    keyNeeded,
    parameters: operation.parameters ?? [],
    body:
      schema === null || mediaType === undefined
        ? null
        : { schema, mediaType, required: operation.requestBody?.required ?? false },
    responses: Object.entries(operation.responses ?? {}).map(([status, response]) => ({
      status,
      description: response.description ?? "",
      schema: Object.values(response.content ?? {})[0]?.schema ?? null,
    })),
    curl: curlOf(method, origin + path, keyNeeded, sample),
  };
}

function curlOf(method: string, address: string, keyNeeded: boolean, sample: unknown): string {
  const lines = [
    method === "get" || sample !== undefined ? `curl ${address}` : `curl -X ${method.toUpperCase()} ${address}`,
  ];
  if (keyNeeded) lines.push('-H "Authorization: Bearer $AQUILON_API_KEY"');
  if (sample !== undefined) {
    if (method !== "post") lines[0] = `curl -X ${method.toUpperCase()} ${address}`;
    lines.push(
      '-H "Content-Type: application/json"',
      `-d '${JSON.stringify(sample, null, 2).replaceAll("'", "'\\''")}'`,
    );
  }
  return lines.join(" \\\n  ");
}

/** The schema that a reference points to, by its name; the schema itself where it is none. */
export function resolve(document: OpenApi, schema: Schema): { schema: Schema; name: string | null } {
  const name = schema.$ref === undefined ? null : (schema.$ref.split("/").at(-1) ?? null);
  if (name === null) return { schema, name: null };
  const target = document.components?.schemas?.[name] ?? {};
  return { schema: { ...target, ...(schema.description ? { description: schema.description } : {}) }, name };
}

/** The alternatives of a schema without the null that only says "may be left out". */
export function alternativesOf(schema: Schema): Schema[] {
  const alternatives = (schema.anyOf ?? schema.oneOf ?? []).filter((option) => option.type !== "null");
  return alternatives.length > 0 ? alternatives : [schema];
}

/** The kind of a value in a few words: `integer`, `ChatMessage`, `"user"`. */
export function typeName(document: OpenApi, schema: Schema, listOf: (type: string) => string): string {
  const alternatives = alternativesOf(schema);
  if (alternatives.length > 1) {
    return [...new Set(alternatives.map((option) => typeName(document, option, listOf)))].join(" | ");
  }
  const only = alternatives[0]!;
  const { schema: target, name } = resolve(document, only);
  if (name !== null) return name;
  if (target.const !== undefined) return JSON.stringify(target.const);
  if (target.enum !== undefined) return target.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (target.type === "array" && typeof target.items === "object") {
    return listOf(typeName(document, target.items, listOf));
  }
  const type = Array.isArray(target.type) ? target.type.filter((one) => one !== "null").join(" | ") : target.type;
  return type ?? target.title ?? "any";
}

/** The bounds of a value, as a mathematician writes them. */
export function boundsOf(schema: Schema): string {
  return alternativesOf(schema)
    .map((option) => {
      const low = option.minimum ?? option.exclusiveMinimum ?? option.minLength ?? option.minItems;
      const high = option.maximum ?? option.exclusiveMaximum ?? option.maxLength ?? option.maxItems;
      const open = option.exclusiveMinimum !== undefined ? ">" : "≥";
      const close = option.exclusiveMaximum !== undefined ? "<" : "≤";
      return [low === undefined ? "" : `${open} ${low}`, high === undefined ? "" : `${close} ${high}`];
    })
    .flat()
    .filter((part) => part !== "")
    .join(", ");
}

/** The named schemas inside a schema, to show their fields below it. */
export function fieldsOf(document: OpenApi, schema: Schema): { name: string | null; schema: Schema }[] {
  return alternativesOf(schema).flatMap((option) => {
    const { schema: target, name } = resolve(document, option);
    if (target.type === "array" && typeof target.items === "object") return fieldsOf(document, target.items);
    if (target.properties !== undefined) return [{ name, schema: target }];
    return target.anyOf || target.oneOf ? fieldsOf(document, target) : [];
  });
}

/** The properties of an object, the required ones first. */
export function propertiesOf(schema: Schema): [string, Schema][] {
  const properties = Object.entries(schema.properties ?? {});
  const required = new Set(schema.required);
  return [...properties.filter(([name]) => required.has(name)), ...properties.filter(([name]) => !required.has(name))];
}

/** A value that the schema would take: its own example where it has one, else its required fields. */
export function sampleOf(document: OpenApi, given: Schema, depth = 0): unknown {
  const { schema } = resolve(document, alternativesOf(given)[0]!);
  if (schema.example !== undefined) return schema.example;
  if (schema.examples?.[0] !== undefined) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.anyOf || schema.oneOf) return sampleOf(document, schema, depth + 1);
  if (schema.properties !== undefined) {
    if (depth >= DEEPEST_SAMPLE) return {};
    const required = Object.entries(schema.properties).filter(([name]) => schema.required?.includes(name));
    return Object.fromEntries(required.map(([name, property]) => [name, sampleOf(document, property, depth + 1)]));
  }
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case "array":
      return typeof schema.items === "object" && depth < DEEPEST_SAMPLE
        ? [sampleOf(document, schema.items, depth + 1)]
        : [];
    case "integer":
    case "number":
      return typeof schema.minimum === "number" ? schema.minimum : 1;
    case "boolean":
      return true;
    case "string":
      return "…";
    default:
      return {};
  }
}
