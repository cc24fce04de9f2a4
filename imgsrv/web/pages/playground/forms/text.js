// Plain controls: a line of text, and a switch.

import { el } from "../../common/dom.js";

export function makeText(row, value, change, ids) {
  const example = / such as (.+)$/.exec(row.type)?.[1] ?? "";
  const isLong = row.type.startsWith("text ");
  const node = el(isLong ? "textarea" : "input", {
    id: ids.control,
    rows: isLong ? 2 : null,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: row.default ?? example,
    value,
    on: { input: () => change(node.value, false), change: () => change(node.value, true) },
  });
  return { node, labelled: node, kind: "wide", set: (text) => (node.value = text) };
}

export function makeSwitch(row, value, change, ids) {
  const usual = String(row.default);
  const isOn = (text) => (text === "" ? usual : text) === "true";
  const said = () => (String(box.checked) === usual ? "" : String(box.checked));
  const box = el("input", { type: "checkbox", id: ids.control, on: { change: () => change(said(), true) } });
  box.checked = isOn(value);
  return { node: box, labelled: box, kind: "switch", set: (text) => (box.checked = isOn(text)) };
}
