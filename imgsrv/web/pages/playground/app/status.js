// One line that says what is going on, for eyes and screen readers, and the dialog that asks for the key.

import { find } from "../../common/dom.js";
import { Gone, key } from "../../common/server.js";

export class Status {
  constructor() {
    this.line = find("#status");
    this.spoken = find("#spoken");
  }

  // kind: "ready", "busy", "waiting" or "wrong".
  say(kind, text) {
    this.line.dataset.kind = kind;
    this.line.textContent = text;
    this.line.title = text;
    if (kind !== "busy") this.tell(text);
  }

  // Spoken only: what the eyes see in another place.
  tell(text) {
    this.spoken.textContent = this.spoken.textContent === text ? `${text} ` : text;
  }

  pause(error, seconds) {
    const later = `Trying again in ${Math.max(1, Math.round(seconds))} s.`;
    if (error instanceof Gone) this.say("waiting", `${error.message} ${later}`);
    else if (error.status === 429) this.say("waiting", `More questions than this server allows you. ${later}`);
    else if (error.facts.code === "draining") this.say("waiting", `The server is stopping or starting anew. ${later}`);
    else this.say("waiting", `The server is busy with other pictures. ${later}`);
  }
}

// Ask for the key until one is given; resolves when the visitor has.
export function askForKey(reason) {
  const dialog = find("#key-dialog");
  const form = find("form", dialog);
  const input = find("input", form);
  find("#key-reason").textContent = reason;
  if (!dialog.open) dialog.showModal();
  input.value = "";
  input.focus();
  return new Promise((resolve) => {
    form.addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        key.set(input.value.trim());
        dialog.close();
        resolve();
      },
      { once: true },
    );
  });
}
