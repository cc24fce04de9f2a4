// A number with bounds: a box, and a slider where both bounds are known and the way between them is not endless.

import { el } from "../../common/dom.js";

const LONGEST = 1e6;
const STEPS = 1000;
const LOGARITHMIC_FROM = 1000;

export function makeNumber(row, value, change, ids) {
  const isWhole = row.type.includes("whole");
  const span = row.maximum - row.minimum;
  const hasSlider = span <= LONGEST;
  const box = el("input", {
    type: "number",
    id: ids.control,
    min: row.minimum,
    max: row.maximum,
    step: isWhole ? 1 : "any",
    placeholder: row.default ?? "–",
    value,
    on: { input: () => typed(false), change: () => typed(true) },
  });
  if (!hasSlider) return { node: box, labelled: box, kind: "number", set: (text) => (box.value = text) };

  const scale = scaleOf(row.minimum, row.maximum);
  const slider = el("input", {
    type: "range",
    min: 0,
    max: STEPS,
    step: isWhole && span < STEPS ? STEPS / span : 1,
    "aria-label": `${row.name}, slider`,
    on: { input: () => moved(false), change: () => moved(true) },
  });

  function typed(isDone) {
    if (hasSlider) place(box.value);
    change(box.value, isDone);
  }

  function moved(isDone) {
    box.value = rounded(scale.valueAt(slider.value / STEPS), isWhole, span);
    slider.classList.remove("unset");
    tell(box.value);
    change(box.value, isDone);
  }

  function place(text) {
    const told = text === "" ? (row.default ?? "") : text;
    const number = Math.min(row.maximum, Math.max(row.minimum, Number(told)));
    // What is not set, and has no default, is nowhere: in the middle, and without colour.
    slider.value = told === "" ? STEPS / 2 : Math.round(scale.placeOf(number) * STEPS);
    slider.classList.toggle("unset", told === "");
    tell(told === "" ? "not set" : told);
  }

  function tell(text) {
    slider.setAttribute("aria-valuetext", text);
  }

  place(value);
  const set = (text) => {
    box.value = text;
    place(text);
  };
  return { node: el("div", { class: "sliding" }, slider, box), labelled: box, kind: "number", set };
}

// Large spans of positive numbers, such as pixels, are walked by ratios.
function scaleOf(low, high) {
  if (low < 0 || high < LOGARITHMIC_FROM) {
    return { valueAt: (place) => low + place * (high - low), placeOf: (number) => (number - low) / (high - low) };
  }
  const ratio = Math.log((high + 1) / (low + 1));
  return {
    valueAt: (place) => (low + 1) * Math.exp(place * ratio) - 1,
    placeOf: (number) => Math.log((number + 1) / (low + 1)) / ratio,
  };
}

function rounded(number, isWhole, span) {
  if (isWhole) return String(Math.round(number));
  const digits = span <= 2 ? 2 : span <= 200 ? 1 : 0;
  return String(Number(number.toFixed(digits)));
}
