// A curve through points from 0:0 to 1:1, drawn and moved: with the pointer, or point by point with the arrow keys.

import { el, svg } from "../../common/dom.js";
import { slopes } from "./monotone.js";

const SIZE = 200;
const STEP = 0.02;
const MOST = 32;

export function makeCurve(row, value, change, ids) {
  const usual = /such as (\S+)$/.exec(row.type)?.[1] ?? "0:0;1:1";
  let points = read(value || usual);
  const line = svg("path", { class: "line" });
  const dots = svg("g");
  const plot = svg("svg", { viewBox: `-8 -8 ${SIZE + 16} ${SIZE + 16}`, class: "plot" }, gridLines(), line, dots);
  const box = el("input", {
    id: ids.control,
    value,
    placeholder: usual,
    autocomplete: "off",
    spellcheck: "false",
    on: { input: () => typed(false), change: () => typed(true) },
  });

  function typed(isDone) {
    const found = read(box.value);
    if (found.length > 1) {
      points = found;
      draw();
    }
    change(box.value, isDone);
  }

  function tell(isDone) {
    box.value = points.map(([x, y]) => `${short(x)}:${short(y)}`).join(";");
    draw();
    change(box.value, isDone);
  }

  // A point stays between its neighbours.
  function move(index, x, y, isDone) {
    const low = index > 0 ? points[index - 1][0] + 0.01 : 0;
    const high = index < points.length - 1 ? points[index + 1][0] - 0.01 : 1;
    points[index] = [Math.min(high, Math.max(low, x)), Math.min(1, Math.max(0, y))];
    tell(isDone);
  }

  function remove(index) {
    if (points.length <= 2) return;
    points.splice(index, 1);
    tell(true);
    dots.children[Math.min(index, points.length - 1)].focus();
  }

  function add(x, y) {
    if (points.length >= MOST) return;
    const index = points.findIndex((point) => point[0] > x);
    points.splice(index < 0 ? points.length : index, 0, [x, y]);
    tell(true);
  }

  function pressed(event, index) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") remove(index);
    else if (way) move(index, points[index][0] + way[0] * STEP, points[index][1] + way[1] * STEP, true);
    else return;
    event.preventDefault();
  }

  function draw() {
    while (dots.children.length > points.length) dots.lastChild.remove();
    while (dots.children.length < points.length) dots.append(makeDot(dots.children.length));
    points.forEach(([x, y], index) => {
      const dot = dots.children[index];
      dot.setAttribute("cx", x * SIZE);
      dot.setAttribute("cy", (1 - y) * SIZE);
      dot.setAttribute("aria-valuenow", short(y));
      dot.setAttribute("aria-valuetext", `from ${short(x)} to ${short(y)}`);
    });
    line.setAttribute("d", pathOf(points));
  }

  function makeDot(index) {
    const dot = svg("circle", { r: 6, tabindex: 0, role: "slider", "aria-label": `point ${index + 1}`, "aria-valuemin": 0, "aria-valuemax": 1 });
    dot.addEventListener("keydown", (event) => pressed(event, index));
    dot.addEventListener("pointerdown", (event) => {
      dot.setPointerCapture(event.pointerId);
      event.preventDefault();
      dot.focus();
    });
    dot.addEventListener("pointermove", (event) => dot.hasPointerCapture(event.pointerId) && move(index, ...placeOf(event), false));
    dot.addEventListener("pointerup", () => tell(true));
    dot.addEventListener("dblclick", (event) => {
      event.stopPropagation();
      remove(index);
    });
    return dot;
  }

  function placeOf(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
    return [point.x / SIZE, 1 - point.y / SIZE];
  }

  plot.addEventListener("dblclick", (event) => add(...placeOf(event)));
  draw();
  const middle = el("button", { type: "button", text: "Add a point", on: { click: () => addInLargestGap() } });
  function addInLargestGap() {
    const gaps = points.slice(1).map((point, index) => point[0] - points[index][0]);
    const at = gaps.indexOf(Math.max(...gaps));
    add((points[at][0] + points[at + 1][0]) / 2, (points[at][1] + points[at + 1][1]) / 2);
  }
  const set = (text) => {
    box.value = text;
    points = read(text || usual);
    draw();
  };
  return { node: el("div", { class: "curve" }, plot, el("div", { class: "row" }, box, middle)), labelled: box, kind: "wide", set };
}

function read(text) {
  const found = text.split(";").map((pair) => pair.split(":").map(Number));
  return found.every((pair) => pair.length === 2 && pair.every((number) => number >= 0 && number <= 1)) ? found : [[0, 0], [1, 1]];
}

function short(number) {
  return String(Number(number.toFixed(2)));
}

function gridLines() {
  const lines = [0, 1, 2, 3, 4].map((part) => (part * SIZE) / 4);
  const d = lines.map((at) => `M0 ${at}H${SIZE}M${at} 0V${SIZE}`).join("");
  return svg("path", { class: "gridlines", d });
}

// The curve as the server draws it: monotone between the points, flat outside of them.
function pathOf(points) {
  const at = (x, y) => `${(x * SIZE).toFixed(1)} ${((1 - y) * SIZE).toFixed(1)}`;
  const tangents = slopes(points);
  let d = `M${at(0, points[0][1])}L${at(...points[0])}`;
  for (let index = 1; index < points.length; index += 1) {
    const [[x0, y0], [x1, y1]] = [points[index - 1], points[index]];
    const third = (x1 - x0) / 3;
    d += `C${at(x0 + third, y0 + tangents[index - 1] * third)} ${at(x1 - third, y1 - tangents[index] * third)} ${at(x1, y1)}`;
  }
  return `${d}L${at(1, points.at(-1)[1])}`;
}
