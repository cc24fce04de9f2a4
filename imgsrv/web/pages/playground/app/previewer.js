// Previews: after a short pause in the changes, one question at a time, and no answer to an old one.

import { blobOf, persist } from "../../common/server.js";

const PAUSE_MS = 160;

export class Previewer {
  // ask(question, signal) gives the answer.
  // show(event): {kind: "asking"}, {kind: "pausing", error, seconds}, {kind: "done", …} or {kind: "failed", error}.
  constructor(ask, show) {
    this.ask = ask;
    this.show = show;
    this.running = null;
    this.timer = 0;
  }

  // Ask for this soon, and forget what was asked before.  question(): null where nothing is to be asked.
  want(question, pauseMs = PAUSE_MS) {
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = null;
    this.timer = setTimeout(() => this.run(question), pauseMs);
  }

  async run(question) {
    const asked = question();
    if (asked === null) return;
    const controller = new AbortController();
    this.running = controller;
    const isCurrent = () => this.running === controller;
    this.show({ kind: "asking" });
    const began = performance.now();
    let startedAt = began;
    try {
      const done = await persist(
        async () => {
          startedAt = performance.now();
          const answer = await this.ask(asked, controller.signal);
          return { answer, blob: await blobOf(answer) };
        },
        (error, seconds) => isCurrent() && this.show({ kind: "pausing", error, seconds }),
        controller.signal,
      );
      if (isCurrent()) this.show({ kind: "done", ...done, ms: performance.now() - startedAt });
    } catch (error) {
      if (isCurrent() && error.name !== "AbortError") this.show({ kind: "failed", error });
    } finally {
      if (isCurrent()) this.running = null;
    }
  }
}
