// One of several words: buttons for a few short ones, else a list.

import { el, freshId } from "../../common/dom.js";

const MOST_BUTTONS = 5;
const MOST_LETTERS = 30;

export function makeChoice(row, value, change, ids) {
  const isSmall = row.choices.length <= MOST_BUTTONS && row.choices.join("").length <= MOST_LETTERS;
  return isSmall && row.default !== null ? makeButtons(row, value, change) : makeList(row, value, change, ids);
}

function makeList(row, value, change, ids) {
  const none = row.default === null ? [el("option", { value: "", text: "as the picture is" })] : [];
  const options = row.choices.map((word) => el("option", { value: word, text: word }));
  const node = el("select", { id: ids.control, on: { change: () => change(unusual(row, node.value), true) } });
  node.append(...none, ...options);
  const set = (text) => {
    const wanted = text || (row.default ?? "");
    if (![...node.options].some((option) => option.value === wanted)) {
      node.append(el("option", { value: wanted, text: wanted }));
    }
    node.value = wanted;
  };
  set(value);
  return { node, labelled: node, kind: "wide", set };
}

function makeButtons(row, value, change) {
  const group = freshId("choice");
  const node = el("div", { class: "buttons", role: "radiogroup" });
  const boxes = row.choices.map((word) => {
    const box = el("input", { type: "radio", name: group, value: word, class: "unseen-box" });
    box.addEventListener("change", () => change(unusual(row, word), true));
    node.append(el("label", {}, box, el("span", { text: word })));
    return box;
  });
  const set = (text) => boxes.forEach((box) => (box.checked = box.value === (text || row.default)));
  set(value);
  return { node, labelled: node, kind: "wide", isGroup: true, set };
}

// The default needs no mention.
export function unusual(row, value) {
  return value === row.default ? "" : value;
}
