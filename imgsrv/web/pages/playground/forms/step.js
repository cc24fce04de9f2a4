// The form of one step: a head with its buttons, the fields that matter most, and the others behind "more".

import { el, freshId } from "../../common/dom.js";
import { makeField, plain } from "./field.js";
import { toolsOf } from "./tools.js";

const SHOWN = 4;

export class StepForm {
  // row: of the catalogue, undefined for a name that it does not have.  on: what the buttons do.
  constructor(step, row, context, on) {
    this.step = step;
    this.fields = new Map();
    const title = freshId("step");
    const button = (text, label, does) =>
      el("button", { type: "button", class: "plain", "aria-label": `${label} ${step.name}`, title: label, text, on: { click: does } });
    this.up = button("↑", "Move up", () => on.move(-1));
    this.down = button("↓", "Move down", () => on.move(1));
    this.toggle = el("input", { type: "checkbox", "aria-label": `Use ${step.name}`, title: "Switch on or off", on: { change: on.toggle } });
    this.number = el("span", { class: "step-number" });
    this.heading = el("h3", { id: title, tabindex: -1 }, this.number, step.name);
    this.error = el("p", { class: "error", hidden: true });
    const head = el("div", { class: "head" }, el("span", { class: "handle", "aria-hidden": "true", title: "Drag", text: "⠿" }), this.toggle, this.heading, this.up, this.down, button("✕", "Remove", on.remove));
    const summary = row ? plain(row.summary) : "This server has no such operation.";
    this.node = el("li", { class: "step", "data-step": step.id, "data-operation": step.name, "aria-labelledby": title }, head, el("p", { class: "quiet", text: summary }), this.error);
    this.body = el("div", { class: "fields" });
    this.node.append(this.body);
    if (row) this.fill(row, context, on);
    this.place(0, 1);
  }

  fill(row, context, on) {
    const draws = toolsOf(row).map((tool) => el("button", { type: "button", text: tool.title, on: { click: () => on.draw(tool) } }));
    if (draws.length) this.body.append(el("div", { class: "draws" }, ...draws));
    const isShown = (parameter, index) => parameter.required || parameter.name in this.step.values || index < SHOWN;
    const make = (parameter) => {
      const name = parameter.name;
      const change = (value, isDone) => {
        this.step.values[name] = value;
        on.value(isDone);
      };
      const field = makeField(parameter, this.step.values[name] ?? "", change, context);
      this.fields.set(name, field);
      return field.node;
    };
    const shown = row.parameters.filter(isShown);
    const more = row.parameters.filter((parameter) => !shown.includes(parameter));
    this.body.append(...shown.map(make));
    if (!more.length) return;
    const names = more.map((parameter) => parameter.name.replaceAll("_", " ")).join(", ");
    this.more = el("details", { class: "more" }, el("summary", { text: `More: ${names}` }), el("div", { class: "fields" }, ...more.map(make)));
    this.body.append(this.more);
  }

  place(index, count) {
    this.number.textContent = `${index + 1} `;
    // A disabled button would lose the focus of who presses it repeatedly.
    this.up.setAttribute("aria-disabled", String(index === 0));
    this.down.setAttribute("aria-disabled", String(index === count - 1));
    this.toggle.checked = this.step.on;
  }

  focus() {
    this.heading.focus({ preventScroll: true });
    this.node.scrollIntoView({ block: "nearest" });
  }

  focusMove(by) {
    (by < 0 ? this.up : this.down).focus();
  }

  // Values that were drawn on the picture.
  setValues(values) {
    Object.assign(this.step.values, values);
    for (const [name, value] of Object.entries(values)) this.fields.get(name)?.set(value);
  }

  clearErrors() {
    for (const field of this.fields.values()) field.setError("");
    this.error.hidden = true;
  }

  showProblem(problem) {
    const field = this.fields.get(problem.facts.parameter ?? (problem.facts.part ? "part" : ""));
    if (!field) {
      this.error.textContent = problem.message;
      this.error.hidden = false;
      return;
    }
    if (this.more?.contains(field.node)) this.more.open = true;
    field.setError(problem.message);
  }
}
