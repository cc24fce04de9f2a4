// A place in the picture, as a grid of nine, with other words such as `smart` beside it.

import { el, freshId } from "../../common/dom.js";
import { unusual } from "./choice.js";

export const GRID = ["northwest", "north", "northeast", "west", "center", "east", "southwest", "south", "southeast"];

export function makeGravity(row, value, change) {
  const group = freshId("gravity");
  const boxes = [];
  const choice = (word, ...face) => {
    const box = el("input", { type: "radio", name: group, value: word, class: "unseen-box", "aria-label": word });
    box.addEventListener("change", () => change(unusual(row, word), true));
    boxes.push(box);
    return el("label", { title: word }, box, ...face);
  };
  const grid = el("div", { class: "grid" }, ...GRID.map((word) => choice(word, el("span", { class: "dot" }))));
  const others = row.choices.filter((word) => !GRID.includes(word)).map((word) => choice(word, el("span", { text: word })));
  const node = el("div", { class: "gravity", role: "radiogroup" }, grid, el("div", { class: "buttons" }, ...others));
  const set = (text) => boxes.forEach((box) => (box.checked = box.value === (text || row.default)));
  set(value);
  return { node, labelled: node, kind: "wide", isGroup: true, set };
}
