// Text of the description, in which code stands between backticks.

import { el } from "../common/dom.js";

export function prose(name, properties, text) {
  // A line that ends within a paragraph goes on; an empty one ends the paragraph.
  const flowing = text.replaceAll(/(\S)\n(?=[^\n*-])/g, "$1 ");
  return el(name, properties, ...flowing.split("`").map((part, index) => index % 2 ? el("code", { text: part }) : part));
}
