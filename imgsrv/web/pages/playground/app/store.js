// The recipe of the page, who hears of its changes, and its place in the history of the browser.

import { parseFragment, printFragment } from "./recipe.js";

export class Store {
  constructor() {
    this.recipe = parseFragment(location.hash.slice(1));
    this.listeners = [];
    window.addEventListener("popstate", () => {
      if (location.hash.slice(1) === printFragment(this.recipe)) return;
      this.recipe = parseFragment(location.hash.slice(1));
      this.tell("replaced");
    });
  }

  // listener(kind): "value" for a value, "steps" for which steps there are, "replaced" for all of it.
  listen(listener) {
    this.listeners.push(listener);
  }

  // A value while it moves: the preview follows, the history does not.
  touch(kind = "value") {
    this.tell(kind);
  }

  // A change that the back button undoes.
  commit(kind = "value") {
    const fragment = printFragment(this.recipe);
    if (fragment !== location.hash.slice(1)) history.pushState(null, "", fragment ? `#${fragment}` : location.pathname);
    this.tell(kind);
  }

  tell(kind) {
    for (const listener of this.listeners) listener(kind);
  }
}
