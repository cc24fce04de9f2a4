// The picture of the visitor on its way to the server: where that keeps uploads, the page sends it once and then names it.

import { ask, Problem } from "../../common/server.js";

// Fewer bytes are sent with each question: they take less time than one question more.
const LEAST_BYTES = 200_000;

// The server does not have it any longer, keeps no uploads any longer, or does not reach its store of them.
const LOST = ["source_not_found", "source_not_allowed", "uploads_unavailable"];

export class Uploads {
  // isOn: the server keeps uploads.
  constructor(isOn) {
    this.isOn = isOn;
    this.kept = new Map();
    addEventListener("pagehide", () => [...this.kept.keys()].forEach((file) => this.remove(file)));
  }

  // The answer to a question.  files: [[part, file], …], the picture as the part "file".  Raises what ask() raises.
  async ask({ path, files }, signal) {
    const named = await this.named(files);
    if (named) {
      try {
        // A browser keeps nothing of the visitor's picture.
        return await ask(`${path}&${named}`, { signal, cache: "no-store" });
      } catch (error) {
        if (!LOST.includes(error.code)) throw error;
        if (error.code === "source_not_allowed") this.isOn = false;
        for (const [, file] of files) this.kept.delete(file);
      }
    }
    return await ask(path, { method: "POST", body: bodyOf(files), signal });
  }

  // The files as sources in a query; empty where they are to be sent.
  async named(files) {
    const bytes = files.reduce((sum, [, file]) => sum + file.size, 0);
    if (!this.isOn || bytes < LEAST_BYTES) return "";
    const sources = await Promise.all(files.map(([, file]) => this.sourceOf(file)));
    if (sources.includes(null)) return "";
    return files.map(([part], index) => `source${part === "file" ? "" : `.${encodeURIComponent(part)}`}=${sources[index]}`).join("&");
  }

  // A newer question drops the one that waits for this, and not this itself.
  sourceOf(file) {
    if (!this.kept.has(file)) {
      const controller = new AbortController();
      this.kept.set(file, { controller, source: this.send(file, controller.signal) });
    }
    return this.kept.get(file).source;
  }

  // `upload:ID`, or null where the server does not keep it, and hears with the next question why.
  async send(file, signal) {
    try {
      const answer = await ask("uploads", { method: "POST", body: file, signal });
      return (await answer.json()).source;
    } catch (error) {
      if (error instanceof Problem && !error.wantsKey) return null;
      this.kept.delete(file);
      throw error;
    }
  }

  // The visitor has no use for it any longer.
  async remove(file) {
    const { controller, source } = this.kept.get(file) ?? {};
    this.kept.delete(file);
    controller?.abort();
    const id = (await source?.catch(() => null))?.replace("upload:", "");
    if (id) await ask(`uploads/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});
  }
}

function bodyOf(files) {
  if (files.length === 1) return files[0][1];
  const body = new FormData();
  for (const [name, content] of files) body.append(name, content);
  return body;
}
