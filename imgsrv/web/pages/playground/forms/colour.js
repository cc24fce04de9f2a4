// A colour: the picker of the browser, how opaque it is, and the text that both stand for.

import { el } from "../../common/dom.js";

export function makeColour(row, value, change, ids) {
  const takesAlpha = !row.type.includes("opaque");
  const picker = el("input", { type: "color", "aria-label": `${row.name}, picker`, on: { input: () => picked(false), change: () => picked(true) } });
  const alpha = takesAlpha
    ? el("input", { type: "range", min: 0, max: 255, "aria-label": `${row.name}, how opaque`, on: { input: () => picked(false), change: () => picked(true) } })
    : null;
  const box = el("input", {
    id: ids.control,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: row.default ?? "not set",
    value,
    on: {
      input: () => {
        show(box.value);
        change(box.value, false);
      },
      change: () => change(box.value, true),
    },
  });

  function picked(isDone) {
    const opaque = Number(alpha?.value ?? 255);
    box.value = picker.value.slice(1) + (opaque < 255 ? opaque.toString(16).padStart(2, "0") : "");
    change(box.value, isDone);
  }

  function show(text) {
    const [rgb, opaque] = read(text || row.default || "");
    picker.value = rgb;
    if (alpha) alpha.value = opaque;
  }

  show(value);
  const set = (text) => {
    box.value = text;
    show(text);
  };
  return { node: el("div", { class: "colour" }, picker, box, alpha), labelled: box, kind: "wide", set };
}

const canvas = document.createElement("canvas").getContext("2d");

// ["#rrggbb", 0 to 255] of a hexadecimal colour or a name that the browser knows; black if it is none.
function read(text) {
  const hex = /^#?([0-9a-f]{3,8})$/i.exec(text)?.[1];
  canvas.fillStyle = "#000000";
  canvas.fillStyle = hex ? `#${hex}` : text;
  const found = canvas.fillStyle;
  if (found.startsWith("#")) return [found, 255];
  const [red, green, blue, opaque] = found.match(/[\d.]+/g).map(Number);
  const rgb = [red, green, blue].map((level) => level.toString(16).padStart(2, "0")).join("");
  return [`#${rgb}`, Math.round(opaque * 255)];
}
