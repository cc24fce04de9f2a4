// One field for each parameter: its control, its type and what it means.

import { el, freshId } from "../common/dom.js";
import { prose } from "./prose.js";
import { exampleOf, typeText } from "./schema.js";

/** Returns the element, and what of the field belongs into the query: null for nothing. */
export function fieldOf(parameter) {
  const id = freshId("field"), control = controlOf(parameter, id);
  const { schema } = parameter;
  const usual = schema.default === undefined ? "" : ` · usually ${schema.default === "" ? "empty" : schema.default}`;
  const element = el("div", { class: "field" },
    el("div", {},
      el("label", { for: id, text: parameter.name }),
      el("span", { class: "type" },
        parameter.required ? el("span", { class: "needed", text: "required · " }) : null,
        `${typeText(schema)}${usual}`)),
    control.element,
    prose("p", { id: `${id}-help` }, parameter.description ?? ""));
  return { name: parameter.name, place: parameter.in, element, value: control.value };
}

function controlOf(parameter, id) {
  const { schema, required } = parameter;
  const shared = { id, "aria-describedby": `${id}-help` };
  if (schema.type === "boolean" || schema.enum) {
    const values = schema.enum ?? ["true", "false"];
    const select = el("select", shared,
      required ? null : el("option", { value: "", text: "–" }),
      ...values.map((value) => el("option", { value, text: value })));
    return { element: select, value: () => select.value || null };
  }
  const isNumber = schema.type === "integer" || schema.type === "number";
  const example = exampleOf(parameter);
  const input = el("input", {
    ...shared, type: isNumber ? "number" : "text", required,
    ...(isNumber ? { min: schema.minimum, max: schema.maximum, step: schema.type === "integer" ? 1 : "any" } : {}),
    placeholder: example ? `such as ${example}` : null, autocomplete: "off", spellcheck: "false",
    value: required ? example : "",
  });
  return { element: input, value: () => input.value || null };
}

/** A field for a file of the upload. */
export function fileField(name, description, isNeeded) {
  const id = freshId("file");
  const input = el("input", { id, type: "file", required: isNeeded, "aria-describedby": `${id}-help` });
  const element = el("div", { class: "field" },
    el("div", {},
      el("label", { for: id, text: name }),
      el("span", { class: "type" }, isNeeded ? el("span", { class: "needed", text: "required · " }) : null, "a file")),
    input,
    el("p", { text: description, id: `${id}-help` }));
  return { name, element, file: () => input.files[0] ?? null };
}
