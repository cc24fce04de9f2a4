// Before and after on one board: a divider between them, zoom down to pixels, panning, and a checkerboard behind.

import { el, find } from "../../common/dom.js";

const STEPS = [0.125, 0.25, 0.5, 1, 2, 4, 8, 16];
// How wide or high a picture of few pixels is shown at least, where it fits: it would lie behind the knob of the divider.
const LEAST = 160;
const MODES = ["split", "after", "before"];

export class Stage {
  constructor() {
    this.stage = find("#stage");
    this.board = find("#board");
    this.layers = { before: new Layer(find("#before")), after: new Layer(find("#after")) };
    this.slider = find("#divider");
    this.zoomed = find("#zoom-value");
    this.zoom = 0; // 0 fits the picture into the stage
    this.slider.addEventListener("input", () => this.place());
    for (const mode of MODES) find(`#mode-${mode}`).addEventListener("change", () => this.setMode(mode));
    find("#zoom-fit").addEventListener("click", () => this.setZoom(0));
    find("#zoom-in").addEventListener("click", () => this.step(1));
    find("#zoom-out").addEventListener("click", () => this.step(-1));
    find("#zoom-one").addEventListener("click", () => this.setZoom(1));
    this.stage.addEventListener("keydown", (event) => this.pressed(event));
    this.stage.addEventListener("wheel", (event) => this.rolled(event), { passive: false });
    this.listenForPointer();
    new ResizeObserver(() => this.place()).observe(this.stage);
    this.setMode("split");
  }

  // A picture for a layer: an object URL with its size in pixels.  None empties the layer.
  async show(name, url, size) {
    await this.layers[name].show(url, size);
    this.place();
  }

  // A picture that is taken apart into frames is drawn by others.
  canvasOf(name) {
    return this.layers[name].canvas;
  }

  setMode(mode) {
    this.mode = mode;
    find(`#mode-${mode}`).checked = true;
    this.place();
  }

  setZoom(zoom) {
    const { stage } = this;
    const middle = [(stage.scrollLeft + stage.clientWidth / 2) / stage.scrollWidth, (stage.scrollTop + stage.clientHeight / 2) / stage.scrollHeight];
    this.zoom = zoom;
    this.place();
    stage.scrollLeft = middle[0] * stage.scrollWidth - stage.clientWidth / 2;
    stage.scrollTop = middle[1] * stage.scrollHeight - stage.clientHeight / 2;
  }

  step(by) {
    const now = this.scale * devicePixelRatio;
    const next = by > 0 ? STEPS.find((step) => step > now * 1.01) : STEPS.findLast((step) => step < now * 0.99);
    if (next) this.setZoom(next);
  }

  get size() {
    return this.layers.after.size ?? this.layers.before.size;
  }

  // CSS pixels for one pixel of the result.
  get scale() {
    const { size, stage } = this;
    const ratio = 1 / devicePixelRatio;
    if (!size) return ratio;
    return this.zoom ? this.zoom * ratio : Math.min(stage.clientWidth / size[0], stage.clientHeight / size[1], Math.max(8 * ratio, LEAST / Math.max(...size)));
  }

  // There is nothing to divide while only one picture is there.
  get shownMode() {
    const { before, after } = this.layers;
    if (this.mode !== "split" || (before.size && after.size)) return this.mode;
    return after.size ? "after" : "before";
  }

  place() {
    const { stage, board, size, scale } = this;
    board.dataset.mode = this.shownMode;
    this.slider.disabled = this.shownMode !== "split";
    if (!size) return;
    const [width, height] = size.map((side) => Math.max(1, side * scale));
    board.style.width = `${Math.max(width, stage.clientWidth)}px`;
    board.style.height = `${Math.max(height, stage.clientHeight)}px`;
    for (const layer of Object.values(this.layers)) layer.fit(width, height);
    board.classList.toggle("pixels", scale * devicePixelRatio >= 2);
    board.style.setProperty("--split", `${this.slider.value}%`);
    const percent = scale * devicePixelRatio * 100;
    this.zoomed.textContent = `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
    find("#zoom-fit").setAttribute("aria-pressed", String(this.zoom === 0));
  }

  pressed(event) {
    const does = { "+": () => this.step(1), "=": () => this.step(1), "-": () => this.step(-1), 0: () => this.setZoom(0), 1: () => this.setZoom(1) }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.target !== this.stage) return;
    event.preventDefault();
    does();
  }

  // With Ctrl, as a browser zooms its page.
  rolled(event) {
    if (!event.ctrlKey || !this.size) return;
    event.preventDefault();
    this.step(-Math.sign(event.deltaY));
  }

  // Near the divider the pointer moves it, elsewhere the picture.
  listenForPointer() {
    const { stage, slider } = this;
    let moves = "";
    const place = (event) => {
      const box = this.board.getBoundingClientRect();
      slider.value = ((event.clientX - box.left) / box.width) * 100;
      this.place();
    };
    this.board.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.target.closest("button")) return;
      const box = this.board.getBoundingClientRect();
      const isNear = Math.abs(event.clientX - box.left - (slider.value / 100) * box.width) < 24;
      moves = this.shownMode === "split" && isNear ? "divider" : "picture";
      this.board.setPointerCapture(event.pointerId);
      if (moves === "divider") place(event);
    });
    this.board.addEventListener("pointermove", (event) => {
      if (!this.board.hasPointerCapture(event.pointerId)) return;
      if (moves === "divider") place(event);
      else stage.scrollBy(-event.movementX, -event.movementY);
    });
  }
}

// One picture: the browser's own view of it, or a canvas with one frame.
class Layer {
  constructor(node) {
    this.node = node;
    this.image = find("img", node);
    this.canvas = el("canvas", { hidden: true, class: "frame" });
    node.append(this.canvas);
    this.size = null;
  }

  // The old picture stays until the new one is decoded, and then gives it its place: nothing flickers, nothing moves.
  async show(url, size) {
    this.wanted = url;
    const next = el("img", { alt: this.image.alt, hidden: !url });
    if (url) {
      next.src = url;
      await next.decode().catch(() => {});
      if (this.wanted !== url) return;
    }
    this.size = size;
    this.canvas.hidden = true;
    this.image.replaceWith(next);
    this.image = next;
  }

  // Both pictures are as large as the result if they have its shape; else this one lies inside of that size.
  fit(width, height) {
    if (!this.size) return;
    const ratio = Math.min(width / this.size[0], height / this.size[1]);
    const [own, high] = this.size.map((side) => Math.max(1, side * ratio));
    for (const node of [this.image, this.canvas]) {
      node.style.width = `${own}px`;
      node.style.height = `${high}px`;
    }
  }
}
