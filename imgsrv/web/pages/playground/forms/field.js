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

// The parameter names a part of the upload; a visitor only chooses its file.
const FURTHER_FILE = { title: "File", description: "A further file, which is sent beside the picture." };

// change(value, isDone): isDone is false while a slider moves.  context: {parts} of the page.
export function makeField(row, value, change, context) {
  const make = KINDS.find(([fits]) => fits(row))[1];
  const { title, description } = make === makePart ? FURTHER_FILE : { title: titleOf(row.name), description: plain(row.description) };
  const ids = { control: freshId("field"), label: freshId("label"), hint: freshId("hint") };
  const control = make(row, value, change, ids, context);
  const label = control.isGroup
    ? el("span", { class: "label", id: ids.label, text: title })
    : el("label", { class: "label", id: ids.label, for: ids.control, text: title });
  if (row.required) label.append(el("span", { class: "needed", title: "needed", "aria-hidden": "true", text: "*" }));
  const usual = make === makePart || row.default === null || row.default === "" ? "" : ` Default: ${row.default}.`;
  const hint = el("p", { class: "hint", id: ids.hint });
  const node = el("div", { class: `field ${control.kind}`, "data-parameter": row.name }, label, control.node, hint);
  control.labelled.setAttribute("aria-describedby", ids.hint);
  if (control.isGroup) control.labelled.setAttribute("aria-labelledby", ids.label);

  setError("");

  function setError(text) {
    hint.textContent = hint.title = text || description + usual;
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
