// Figures of the result: sizes, bytes, likeness, and where the time went.

import { el, find, formatBytes, formatMs } from "../../common/dom.js";

const STAGES = ["receive", "queue", "decode", "operations", "encode"];

// [{name, ms, told}, …] of a Server-Timing header.
export function parseTiming(header) {
  return (header ?? "").split(",").map((item) => {
    const [name, ...rest] = item.trim().split(";");
    const values = Object.fromEntries(rest.map((part) => part.trim().split("=")));
    return { name, ms: Number(values.dur ?? 0), told: (values.desc ?? "").replaceAll('"', "") };
  });
}

export function showInput(file, size, kind) {
  find("#in-size").textContent = size ? `${size[0]} × ${size[1]}` : "–";
  find("#in-bytes").textContent = formatBytes(file.size);
  find("#in-kind").textContent = kind;
}

export function showResult(blob, size, kind, before) {
  const share = (blob.size / before) * 100;
  find("#out-size").textContent = size ? `${size[0]} × ${size[1]}` : "–";
  find("#out-bytes").textContent = formatBytes(blob.size);
  find("#out-kind").textContent = kind;
  find("#ratio").textContent = `${share.toFixed(share < 10 ? 1 : 0)} %`;
  find("#ssim").textContent = "–";
}

export function showLikeness(ssim) {
  find("#ssim").textContent = ssim === null ? "–" : ssim.toFixed(4);
}

// A new picture has no result yet.
export function clearResult() {
  for (const name of ["in-kind", "out-kind"]) find(`#${name}`).textContent = "";
  for (const name of ["in-size", "out-size", "out-bytes", "ratio", "ssim", "ms", "server-ms"]) find(`#${name}`).textContent = "–";
  find("#stages").replaceChildren();
  find("#stage-list").replaceChildren();
}

// ms: of the whole question, as the page measured it.
export function showTiming(header, ms) {
  const rows = parseTiming(header).filter((row) => STAGES.includes(row.name));
  const server = rows.reduce((sum, row) => sum + row.ms, 0);
  find("#ms").textContent = formatMs(ms);
  find("#server-ms").textContent = rows.length ? formatMs(server) : "–";
  const bar = find("#stages");
  bar.replaceChildren(...rows.map((row) => stripe(row, server)));
  find("#stage-list").replaceChildren(
    ...rows.map((row) => el("li", { class: `of-${row.name}`, title: row.told || null }, el("span", { text: row.name }), el("b", { text: formatMs(row.ms) }))),
  );
}

function stripe(row, server) {
  const node = el("span", { class: `of-${row.name}` });
  node.style.flexGrow = String(server ? row.ms / server : 0);
  return node;
}
