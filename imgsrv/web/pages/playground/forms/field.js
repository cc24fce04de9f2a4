// One parameter as a form field.  Its control follows from its type in the catalogue, by the first row that fits.
//
// A control is {node, labelled, set(value)}: `labelled` is the element that a label, a hint and an error belong to.

import { el, freshId } from "../../common/dom.js";
import { makeChoice } from "./choice.js";
import { makeColour } from "./colour.js";
import { makeCurve } from "./curve.js";
import { GRID, makeGravity } from "./gravity.js";
import { makeNumber } from "./number.js";
import { makePart } from "./part.js";
import { makeSwitch, makeText } from "./text.js";

const KINDS = [
  [(row) => row.choices && GRID.every((name) => row.choices.includes(name)), makeGravity],
  [(row) => row.choices, makeChoice],
  [(row) => row.type === "true or false", makeSwitch],
  [(row) => row.type.includes("colour"), makeColour],
  [(row) => row.type.includes("points") && row.type.includes("left to right"), makeCurve],
  [(row) => row.minimum !== undefined || row.maximum !== undefined, makeNumber],
  [(row) => row.name === "part", makePart],
  [() => true, makeText],
];

// change(value, isDone): isDone is false while a slider moves.  context: {parts} of the page.
export function makeField(row, value, change, context) {
  const ids = { control: freshId("field"), label: freshId("label"), hint: freshId("hint") };
  const make = KINDS.find(([fits]) => fits(row))[1];
  const control = make(row, value, change, ids, context);
  const label = control.isGroup
    ? el("span", { class: "label", id: ids.label, text: titleOf(row.name) })
    : el("label", { class: "label", id: ids.label, for: ids.control, text: titleOf(row.name) });
  if (row.required) label.append(el("span", { class: "needed", title: "needed", "aria-hidden": "true", text: "*" }));
  const usual = row.default === null || row.default === "" ? "" : ` Default: ${row.default}.`;
  const hint = el("p", { class: "hint", id: ids.hint, text: plain(row.description) + usual });
  const node = el("div", { class: `field ${control.kind}`, "data-parameter": row.name }, label, control.node, hint);
  control.labelled.setAttribute("aria-describedby", ids.hint);
  if (control.isGroup) control.labelled.setAttribute("aria-labelledby", ids.label);

  setError("");

  function setError(text) {
    hint.textContent = hint.title = text || plain(row.description) + usual;
    node.classList.toggle("wrong", Boolean(text));
    if (text) control.labelled.setAttribute("aria-invalid", "true");
    else control.labelled.removeAttribute("aria-invalid");
  }

  return { node, set: control.set, setError, name: row.name };
}

export function titleOf(name) {
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
}

// The catalogue writes names in backticks, as Markdown does.
export function plain(text) {
  return text.replaceAll("`", "").replaceAll("  ", " ");
}
