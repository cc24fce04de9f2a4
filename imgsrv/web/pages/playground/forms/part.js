// A further file of the upload: a logo, a table of colours.  The parameter is the name of its part.

import { el } from "../../common/dom.js";

export function makePart(row, value, change, ids, { parts }) {
  const name = () => value || row.default;
  const told = el("span", { class: "quiet" });
  const input = el("input", {
    type: "file",
    id: ids.control,
    class: "file",
    on: {
      change: () => {
        if (!input.files[0]) return;
        parts.set(name(), input.files[0]);
        tell();
        change(value, true);
      },
    },
  });
  const tell = () => {
    const file = parts.get(name());
    told.textContent = file && !input.files.length ? file.name : "";
  };
  tell();
  const set = (text) => {
    value = text;
    tell();
  };
  return { node: el("div", { class: "part" }, input, told), labelled: input, kind: "wide", set };
}
