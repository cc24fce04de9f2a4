// The output: format, quality and what else the chosen format takes.

import { el, find } from "../../common/dom.js";
import { makeField } from "./field.js";

const TOO_MANY_BYTES = "too_many_bytes"; // names no parameter, because its limit is one
const FIRST = ["format", "quality"];

export class OutputForm {
  constructor(catalogue, store, context) {
    Object.assign(this, { catalogue, store, context });
    this.node = find("#output");
    store.listen((kind) => kind === "replaced" && this.render());
    this.render();
  }

  render() {
    const values = this.store.recipe.output;
    this.fields = new Map();
    const rows = this.catalogue.output.map((row) => [row.name, this.make(row, values)]);
    const first = rows.filter(([name]) => FIRST.includes(name)).map(([, node]) => node);
    const others = rows.filter(([name]) => !FIRST.includes(name)).map(([, node]) => node);
    const isOpen = this.more?.open ?? false;
    this.more = el("details", { class: "more" }, el("summary", { text: "More: size of the file, colours, metadata, frames" }), el("div", { class: "fields" }, ...others));
    this.more.open = isOpen;
    this.node.replaceChildren(...first, this.more);
    this.showFitting();
  }

  make(row, values) {
    const change = (value, isDone) => {
      values[row.name] = value;
      if (row.name === "format") this.showFitting();
      if (isDone) this.store.commit();
      else this.store.touch();
    };
    const field = makeField(row, values[row.name] ?? "", change, this.context);
    this.fields.set(row.name, field);
    return field.node;
  }

  // Only what the format takes; values of the others are kept for a format that does.
  showFitting() {
    const names = new Set(this.catalogue.outputFor(this.store.recipe.output.format).map((row) => row.name));
    for (const [name, field] of this.fields) field.node.hidden = !names.has(name);
  }

  showProblem(problem) {
    for (const field of this.fields.values()) field.setError("");
    const name = problem?.code === TOO_MANY_BYTES ? "max_bytes" : problem?.facts.owner === "output" && problem.facts.parameter;
    const field = this.fields.get(name);
    if (!field) return false;
    if (this.more.contains(field.node)) this.more.open = true;
    field.setError(problem.message);
    return true;
  }
}
