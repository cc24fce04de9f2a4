// Plain controls: a line of text, and a switch.

import { el, freshId } from "../../common/dom.js";
import { ask } from "../../common/server.js";

const FONT = "the name of a font";

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
  const list = row.type.startsWith(FONT) ? fontsFor(node) : null;
  return { node: list ? el("div", { class: "part" }, node, list) : node, labelled: node, kind: "wide", set: (text) => (node.value = text) };
}

// The names that the server knows, asked for when somebody comes to the field; without them it is only a field.
function fontsFor(node) {
  const list = el("datalist", { id: freshId("fonts") });
  node.setAttribute("list", list.id);
  const fill = async () => {
    const { fonts } = await (await ask("fonts")).json();
    list.append(...fonts.map((font) => el("option", { value: font.name })));
  };
  node.addEventListener("focus", () => fill().catch(() => {}), { once: true });
  return list;
}

export function makeSwitch(row, value, change, ids) {
  const usual = String(row.default);
  const isOn = (text) => (text === "" ? usual : text) === "true";
  const said = () => (String(box.checked) === usual ? "" : String(box.checked));
  const box = el("input", { type: "checkbox", id: ids.control, on: { change: () => change(said(), true) } });
  box.checked = isOn(value);
  return { node: box, labelled: box, kind: "switch", set: (text) => (box.checked = isOn(text)) };
}
