// The list of steps: added, moved with buttons or dragged, switched off, removed.

import { counted, el, find } from "../../common/dom.js";
import { makeStep, parseFragment } from "../app/recipe.js";
import { plain } from "./field.js";
import { StepForm } from "./step.js";

// Before the name of a preset in the menu.
const PRESET = "preset:";

export class StepList {
  // tell(text) speaks to screen readers.  context: {parts, draw} for the fields.
  constructor(catalogue, store, context, tell) {
    Object.assign(this, { catalogue, store, context, tell });
    this.list = find("#steps");
    this.none = find("#no-steps");
    this.forms = new Map();
    this.fillMenu();
    this.listenForDrags();
    store.listen((kind) => kind !== "value" && this.render(kind === "replaced"));
    this.render(true);
  }

  get steps() {
    return this.store.recipe.steps;
  }

  fillMenu() {
    const menu = find("#operation");
    menu.replaceChildren(el("option", { value: "", text: "Add a step…" }));
    for (const row of this.catalogue.operations) {
      menu.append(el("option", { value: row.name, text: `${row.name} – ${plain(row.summary).replace(/\.$/, "")}` }));
    }
    for (const row of this.catalogue.presets) {
      menu.append(el("option", { value: PRESET + row.name, text: `${row.name} – preset of this server, replaces all steps` }));
    }
    menu.disabled = false;
    const button = find("#add");
    const add = () => {
      if (menu.value) this.add(menu.value);
      menu.value = "";
      button.disabled = true;
    };
    menu.addEventListener("change", () => (button.disabled = !menu.value));
    button.addEventListener("click", add);
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && menu.value) add();
    });
    for (const name of document.querySelectorAll("[data-add]")) {
      name.addEventListener("click", () => this.add(name.dataset.add));
      name.hidden = !this.catalogue.byName.has(name.dataset.add);
    }
  }

  add(name) {
    if (name.startsWith(PRESET)) {
      this.usePreset(name.slice(PRESET.length));
      return;
    }
    if (this.steps.length >= this.catalogue.maxSteps) {
      this.tell(`A pipeline has at most ${counted(this.catalogue.maxSteps, "step")}.`);
      return;
    }
    const step = makeStep(name, this.catalogue.valuesOf(name));
    this.steps.push(step);
    this.store.commit("steps");
    this.forms.get(step.id).focus();
    this.tell(`${name} was added as step ${this.steps.length}.`);
  }

  usePreset(name) {
    const { query } = this.catalogue.presets.find((row) => row.name === name);
    Object.assign(this.store.recipe, { ...parseFragment(query.replaceAll("+", "%20")), sample: this.store.recipe.sample });
    this.store.commit("replaced");
    this.tell(`The steps are those of the preset ${name}.`);
  }

  // Forms that are still there keep their elements, so that the focus stays where it is.
  render(isNew) {
    if (isNew) this.forms.clear();
    const nodes = this.steps.map((step) => {
      if (!this.forms.has(step.id)) this.forms.set(step.id, this.makeForm(step));
      return this.forms.get(step.id).node;
    });
    const kept = new Set(this.steps.map((step) => step.id));
    for (const id of [...this.forms.keys()]) if (!kept.has(id)) this.forms.delete(id);
    const active = document.activeElement;
    this.list.replaceChildren(...nodes);
    if (active && this.list.contains(active)) active.focus();
    this.steps.forEach((step, index) => this.forms.get(step.id).place(index, this.steps.length));
    this.none.hidden = this.steps.length > 0;
  }

  makeForm(step) {
    return new StepForm(step, this.catalogue.byName.get(step.name), this.context, {
      value: (isDone) => (isDone ? this.store.commit() : this.store.touch()),
      move: (by) => this.move(step, by),
      remove: () => this.remove(step),
      toggle: () => {
        step.on = !step.on;
        this.store.commit();
        this.tell(`${step.name} is switched ${step.on ? "on" : "off"}.`);
      },
      draw: (tool) => this.context.draw(tool, step, this.forms.get(step.id)),
    });
  }

  move(step, by) {
    const from = this.steps.indexOf(step);
    const to = from + by;
    if (to < 0 || to >= this.steps.length) return;
    this.steps.splice(from, 1);
    this.steps.splice(to, 0, step);
    this.store.commit("steps");
    this.forms.get(step.id).focusMove(by);
    this.tell(`${step.name} is now step ${to + 1} of ${this.steps.length}.`);
  }

  remove(step) {
    const index = this.steps.indexOf(step);
    this.steps.splice(index, 1);
    this.store.commit("steps");
    const next = this.steps[Math.min(index, this.steps.length - 1)];
    (next ? this.forms.get(next.id) : { focus: () => find("#operation").focus() }).focus();
    this.tell(`${step.name} was removed.`);
  }

  // A step is dragged by its handle; the others make room.
  listenForDrags() {
    let dragged = null;
    this.list.addEventListener("pointerdown", (event) => {
      if (!event.target.closest(".handle")) return;
      dragged = event.target.closest("li");
      event.target.setPointerCapture(event.pointerId);
      event.preventDefault();
      dragged.classList.add("dragged");
    });
    this.list.addEventListener("pointermove", (event) => {
      if (!dragged) return;
      const others = [...this.list.children].filter((node) => node !== dragged);
      const below = others.find((node) => event.clientY < middleOf(node));
      if (dragged.nextElementSibling !== (below ?? null)) {
        this.list.insertBefore(dragged, below ?? null);
        // The element has left the document for a moment, and the pointer with it.
        event.target.setPointerCapture(event.pointerId);
      }
    });
    const end = () => {
      if (!dragged) return;
      dragged.classList.remove("dragged");
      dragged = null;
      const order = [...this.list.children].map((node) => Number(node.dataset.step));
      const before = this.steps.map((step) => step.id).join();
      this.steps.sort((one, other) => order.indexOf(one.id) - order.indexOf(other.id));
      if (before !== order.join()) this.store.commit("steps");
    };
    this.list.addEventListener("pointerup", end);
    this.list.addEventListener("pointercancel", end);
  }

  // Show a problem beside the field that it names; true if there is one.
  showProblem(problem) {
    for (const form of this.forms.values()) form.clearErrors();
    if (!problem) return false;
    const named = this.steps.filter((step) => step.on && step.name === (problem.facts.owner ?? problem.facts.operation));
    const exact = named.filter((step) => step.values[problem.facts.parameter] === problem.facts.value);
    const chosen = problem.facts.value !== undefined && exact.length ? exact : named;
    for (const step of chosen) this.forms.get(step.id).showProblem(problem);
    return chosen.length > 0;
  }
}

function middleOf(node) {
  const box = node.getBoundingClientRect();
  return box.top + box.height / 2;
}
