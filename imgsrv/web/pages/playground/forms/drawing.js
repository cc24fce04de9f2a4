// A dialog with the picture as it enters a step, on which parts, points, corners and boxes are drawn.
// Every handle is a button: it is dragged, or moved with the arrow keys (with Shift in large steps).

import { el, find } from "../../common/dom.js";

const SMALL = 0.005;
const LARGE = 0.05;
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Drawing {
  constructor() {
    this.dialog = find("#drawing");
    this.board = find(".board", this.dialog);
    this.image = find("img", this.dialog);
    this.shades = find(".shades", this.dialog);
    find("#draw-use").addEventListener("click", () => this.close(true));
    find("#draw-cancel").addEventListener("click", () => this.close(false));
    find("#draw-add").addEventListener("click", () => this.add());
    find("#draw-remove").addEventListener("click", () => this.remove());
    this.dialog.addEventListener("close", () => this.ended?.());
  }

  // Show url; done(values) is called if something was drawn and confirmed.
  async open(tool, values, url, done) {
    Object.assign(this, { tool, done });
    find("#draw-title").textContent = tool.title;
    find("#draw-more").hidden = tool.most === 1 || Boolean(tool.isFixed);
    this.image.src = url;
    await this.image.decode();
    this.size = [this.image.naturalWidth, this.image.naturalHeight];
    this.shapes = tool.read(values, this.size);
    this.ended = () => URL.revokeObjectURL(url);
    this.dialog.showModal();
    this.scale();
    this.render();
    find("button", this.board).focus();
  }

  // As large as the window allows, and small pictures at most eight times their size.
  scale() {
    const [width, height] = this.size;
    const ratio = Math.min((innerWidth * 0.84) / width, (innerHeight * 0.62) / height, 8);
    this.image.style.width = `${width * ratio}px`;
    this.image.style.height = `${height * ratio}px`;
  }

  close(isUsed) {
    if (isUsed) this.done(this.tool.write(this.shapes, this.size));
    this.dialog.close();
  }

  add() {
    if (this.shapes.length >= this.tool.most) return;
    this.shapes.push([0.4, 0.4, 0.2, 0.2]);
    this.render();
    this.board.lastChild.focus();
  }

  remove() {
    if (this.shapes.length < 2) return;
    this.shapes.pop();
    this.render();
  }

  render() {
    for (const old of this.board.querySelectorAll("button, .area")) old.remove();
    this.shades.classList.toggle("many", this.shapes.length > 1);
    this.shapes.forEach((shape, index) => (this.tool.shape === "box" ? this.addBox(shape, index) : this.addPoint(shape, index)));
  }

  addPoint(point, index) {
    const names = this.tool.most === 4 ? ["top left", "top right", "bottom right", "bottom left"] : ["focus"];
    const handle = this.handle(names[index], (dx, dy) => {
      point[0] = bounded(point[0] + dx, 1);
      point[1] = bounded(point[1] + dy, 1);
      place();
    });
    const place = () => position(handle, point[0], point[1]);
    place();
  }

  addBox(box, index) {
    const area = el("div", { class: "area" });
    this.shades.append(area);
    const name = this.tool.most > 1 ? `box ${index + 1}` : "part";
    const whole = this.handle(`move ${name}`, (dx, dy) => {
      box[0] = bounded(box[0] + dx, 1 - box[2]);
      box[1] = bounded(box[1] + dy, 1 - box[3]);
      place();
    });
    whole.classList.add("whole");
    const corner = this.handle(`size of ${name}`, (dx, dy) => {
      box[2] = Math.max(0.01, bounded(box[2] + dx, 1 - box[0]));
      box[3] = Math.max(0.01, bounded(box[3] + dy, 1 - box[1]));
      place();
    });
    const place = () => {
      position(area, box[0], box[1]);
      area.style.width = `${box[2] * 100}%`;
      area.style.height = `${box[3] * 100}%`;
      position(whole, box[0] + box[2] / 2, box[1] + box[3] / 2);
      position(corner, box[0] + box[2], box[1] + box[3]);
    };
    place();
  }

  handle(name, move) {
    const node = el("button", { type: "button", class: "grip", "aria-label": `${name}; arrow keys move it`, title: name });
    node.addEventListener("keydown", (event) => {
      const way = WAYS[event.key];
      if (!way) return;
      event.preventDefault();
      const step = event.shiftKey ? LARGE : SMALL;
      move(way[0] * step, way[1] * step);
    });
    node.addEventListener("pointerdown", (event) => node.setPointerCapture(event.pointerId));
    node.addEventListener("pointermove", (event) => {
      if (!node.hasPointerCapture(event.pointerId)) return;
      const frame = this.board.getBoundingClientRect();
      move(event.movementX / frame.width, event.movementY / frame.height);
    });
    this.board.append(node);
    return node;
  }
}

function bounded(number, high) {
  return Math.min(high, Math.max(0, number));
}

function position(node, x, y) {
  node.style.left = `${x * 100}%`;
  node.style.top = `${y * 100}%`;
}
