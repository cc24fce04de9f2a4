// What can be drawn on the picture, by the parameters that an operation has.  Each tool says what is drawn, and turns
// it from and into values.  Places on the picture are fractions, 0 to 1; size is [width, height] in pixels.

const clamp = (number) => Math.min(1, Math.max(0, number));
const short = (number) => String(Number(clamp(number).toFixed(3)));
const sizeOf = (text, side) => (text === undefined || text === "" ? null : Number(text) < 1 ? Number(text) : Number(text) / side);

function boxIn(values, [width, height]) {
  const [w, h] = [sizeOf(values.width, width) ?? 0.6, sizeOf(values.height, height) ?? 0.6].map(clamp);
  const [x, y] = [sizeOf(values.left, width) ?? (1 - w) / 2, sizeOf(values.top, height) ?? (1 - h) / 2];
  return [clamp(x), clamp(y), w, h];
}

function pixels([x, y, w, h], [width, height]) {
  const left = Math.min(width - 1, Math.round(x * width));
  const top = Math.min(height - 1, Math.round(y * height));
  return [left, top, Math.max(1, Math.min(width - left, Math.round(w * width))), Math.max(1, Math.min(height - top, Math.round(h * height)))].map(String);
}

const PART = {
  title: "Draw the part",
  shape: "box",
  most: 1,
  fits: (names) => ["left", "top", "width", "height"].every((name) => names.has(name)) && !names.has("edge"),
  read: (values, size) => [boxIn(values, size)],
  write: ([box], size) => {
    const [left, top, width, height] = pixels(box, size);
    return { left, top, width, height };
  },
};

const FOCUS = {
  title: "Pick the focus",
  shape: "point",
  most: 1,
  fits: (names) => names.has("focus_x") && names.has("focus_y"),
  read: (values) => [[Number(values.focus_x || 0.5), Number(values.focus_y || 0.5)]],
  write: ([[x, y]]) => ({ focus_x: short(x), focus_y: short(y) }),
};

const CORNERS = {
  title: "Place the corners",
  shape: "point",
  most: 4,
  isFixed: true,
  fits: (names) => names.has("corners"),
  read: (values) => {
    const found = (values.corners ?? "").split(";").map((pair) => pair.split(":").map(Number));
    return found.length === 4 && found.flat().length === 8 && !found.flat().some(Number.isNaN) ? found : [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]];
  },
  write: (points) => ({ corners: points.map((point) => point.map(short).join(":")).join(";") }),
};

const BOXES = {
  title: "Draw the boxes",
  shape: "box",
  most: 100,
  fits: (names) => names.has("boxes"),
  read: (values, size) => {
    const numbers = (values.boxes ?? "").split(";").map(Number);
    const boxes = [];
    for (let at = 0; at + 3 < numbers.length; at += 4) {
      const [left, top, width, height] = numbers.slice(at, at + 4);
      boxes.push([left / size[0], top / size[1], width / size[0], height / size[1]]);
    }
    return boxes.length && !boxes.flat().some(Number.isNaN) ? boxes : [[0.35, 0.35, 0.3, 0.3]];
  },
  write: (boxes, size) => ({ boxes: boxes.map((box) => pixels(box, size).join(";")).join(";") }),
};

export function toolsOf(row) {
  const names = new Set(row.parameters.map((parameter) => parameter.name));
  return [PART, FOCUS, CORNERS, BOXES].filter((tool) => tool.fits(names));
}
