// The picture before and after, with its figures: what the page shows of a preview.

import { find, formatBytes, formatMs } from "../../common/dom.js";
import { clearResult, showInput, showLikeness, showResult, showTiming } from "./facts.js";
import { Frames } from "./frames.js";
import { likeness } from "./likeness.js";
import { shown, sizeIn } from "./shown.js";
import { Stage } from "./stage.js";

export class Viewer {
  // send(question): gives the server's answer for a file of the visitor.
  constructor(status, send) {
    Object.assign(this, { status, send });
    this.stage = new Stage();
    this.frames = new Frames((name) => this.stage.canvasOf(name));
    this.text = find("#text-result");
    this.link = find("#download");
    this.urls = {};
    this.before = Promise.resolve(null);
    this.number = 0;
    this.seen = { type: "", before: null, after: null };
  }

  showBefore(file) {
    clearResult();
    this.number += 1;
    this.put("after", null, null);
    const kept = (this.seen = { type: this.seen.type, before: null, after: null });
    this.before = shown(file, this.send).then(async (seen) => {
      if (seen) await this.put("before", seen.blob, seen.size);
      else this.stage.show("before", null, null);
      kept.before = seen?.size ?? null;
      showInput(file, seen?.isMade ? null : seen?.size, kindOf(file));
      return seen;
    });
  }

  // event: a preview that is done.
  async showAfter({ answer, blob, ms }, file) {
    const number = ++this.number;
    const size = sizeIn(answer);
    Object.assign(this.seen, { type: blob.type, after: size });
    showResult(blob, size, kindOf(blob), file.size);
    showTiming(answer.headers.get("Server-Timing"), ms);
    this.offer(blob, file);
    this.status.say("ready", `${formatBytes(file.size)} → ${formatBytes(blob.size)} in ${formatMs(ms)}${answer.headers.get("Image-Broken") ? "; the picture is broken, and shown as far as it goes" : ""}.`);
    const isText = blob.type.startsWith("text/plain");
    this.text.hidden = !isText;
    if (isText) {
      this.text.textContent = await blob.text();
      await this.put("after", null, null);
      return;
    }
    const seen = await shown(blob);
    if (number !== this.number) return;
    if (!seen) {
      this.status.say("wrong", `The result is ready, but neither this browser nor the server can show ${kindOf(blob)}.`);
      return;
    }
    await this.put("after", seen.blob, size ?? seen.size);
    if (seen.isMade) this.status.tell(`This browser does not show ${kindOf(blob)}; you see it as a WebP.`);
    const before = await this.before;
    const ssim = before && (await likeness(before.blob, seen.blob, { before: before.size, after: seen.size }));
    if (number === this.number) showLikeness(ssim);
  }

  async put(name, blob, size) {
    const old = this.urls[name];
    this.urls[name] = blob ? URL.createObjectURL(blob) : null;
    await this.stage.show(name, this.urls[name], size);
    if (old) URL.revokeObjectURL(old);
    await this.frames.show(name, blob);
  }

  offer(blob, file) {
    if (this.link.href) URL.revokeObjectURL(this.link.href);
    this.link.href = URL.createObjectURL(blob);
    this.link.download = `${file.name.replace(/\.[^.]*$/, "")}-imgsrv.${extensionOf(blob)}`;
    this.link.removeAttribute("aria-disabled");
  }

  setBusy(isBusy) {
    find("#look").setAttribute("aria-busy", String(isBusy));
    document.body.classList.toggle("busy", isBusy);
  }

  // The result is that of an older recipe.
  setStale(isStale) {
    document.body.classList.toggle("stale", isStale);
  }
}

function kindOf(blob) {
  return blob.type.replace(/^[a-z]+\//, "").replace("svg+xml", "svg").replace(/^plain/, "text").replace(/;.*/, "").toUpperCase().slice(0, 12);
}

function extensionOf(blob) {
  return { "image/jpeg": "jpg", "image/svg+xml": "svg", "image/tiff": "tif", "text/plain": "txt" }[blob.type.replace(/;.*/, "")] ?? blob.type.replace(/.*\//, "").replace("x-icon", "ico");
}
