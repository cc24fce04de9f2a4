// JSON schemas in words, as far as this API's description uses them.

/** A schema or parameter, with a reference followed. */
export function resolved(api, item) {
  let found = item;
  while (found?.$ref) found = found.$ref.slice(2).split("/").reduce((place, name) => place[name], api);
  return found;
}

/** What a value may be: `integer, 1 to 100`, `true or false`, `one of a, b`. */
export function typeText(schema) {
  if (schema.enum) return `one of ${schema.enum.join(", ")}`;
  if (schema.const !== undefined) return String(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeText).join(", or ");
  if (schema.type === "boolean") return "true or false";
  if (schema.type === "array") return `${boundsText(schema.minItems, schema.maxItems)} ${typeText(schema.items ?? {})}, separated by commas`.trim();
  const name = schema.format ?? (Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type) ?? "any value";
  const bounds = boundsText(schema.minimum ?? schema.minLength, schema.maximum ?? schema.maxLength);
  const unit = schema.maxLength === undefined ? "" : " characters";
  return bounds ? `${name}, ${bounds}${unit}` : name;
}

function boundsText(least, most) {
  if (least !== undefined && most !== undefined) return `${least} to ${most}`;
  if (most !== undefined) return `at most ${most}`;
  return least === undefined ? "" : `at least ${least}`;
}

/** An example of a parameter as the query has it, or an empty text. */
export function exampleOf(parameter) {
  const { schema } = parameter;
  const found = parameter.example ?? Object.values(parameter.examples ?? {})[0]?.value ?? schema.examples?.[0];
  return found === undefined ? "" : Array.isArray(found) ? found.join(",") : String(found);
}
