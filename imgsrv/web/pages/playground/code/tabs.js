// The tabs with code: arrow keys go from one to the next, and a button copies what is shown.

import { el, find } from "../../common/dom.js";
import { TABS } from "./snippets.js";

export class CodeTabs {
  // request(): what the code is made from.  tell(text) speaks to screen readers.
  constructor(request, tell) {
    this.request = request;
    this.code = find("#code");
    this.note = find("#code-note");
    this.panel = find("#code-panel");
    this.list = find("#code-tabs");
    this.tabs = TABS.map((row) => {
      const tab = el("button", { type: "button", role: "tab", id: `tab-${row.name}`, "aria-controls": "code-panel", text: row.title });
      tab.addEventListener("click", () => this.choose(row));
      return tab;
    });
    this.list.append(...this.tabs);
    this.list.addEventListener("keydown", (event) => this.pressed(event));
    find("#copy").addEventListener("click", async () => tell((await copied(this.code.textContent)) ? "Copied." : "Select the text and copy it: the browser does not let a page do that here."));
    this.choose(TABS[1]);
  }

  choose(row) {
    this.chosen = row;
    for (const tab of this.tabs) {
      const isChosen = tab.id === `tab-${row.name}`;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", `tab-${row.name}`);
    this.show();
  }

  show() {
    const request = this.request();
    this.code.textContent = request ? this.chosen.make(request) : "";
    this.note.textContent = this.chosen.note;
  }

  pressed(event) {
    const now = TABS.indexOf(this.chosen);
    const next = { ArrowRight: now + 1, ArrowLeft: now - 1 + TABS.length, Home: 0, End: TABS.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.choose(TABS[next % TABS.length]);
    this.tabs[next % TABS.length].focus();
  }
}

// Pages without TLS, other than on this machine, have no clipboard.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = el("textarea", { class: "unseen", value: text });
    document.body.append(box);
    box.select();
    const isDone = document.execCommand("copy");
    box.remove();
    return isDone;
  }
}
