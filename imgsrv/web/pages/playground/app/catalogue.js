// What the server can do, from `GET operations`: nothing in the page names an operation or a parameter of one.

import { parseSteps } from "./recipe.js";

const SIDES = ["width", "height"];
const FRACTION = "above 0 and below 1";
const WORDS = /^[\w:.+-]+(, [\w:.+-]+)* or [\w:.+-]+$/;

export class Catalogue {
  constructor(document) {
    this.operations = document.operations.map((row) => ({ ...row, parameters: row.parameters.map(withChoices) }));
    this.formats = document.formats;
    this.output = document.output.map(withChoices);
    this.presets = document.presets ?? [];
    this.hasUploads = document.uploads ?? false;
    this.maxSteps = document.max_steps;
    this.byName = new Map(this.operations.map((row) => [row.name, row]));
  }

  // The values of a new step: those of its example, so that it can be done at once, and fractions where it takes
  // them, which fit every picture.
  valuesOf(name) {
    const row = this.byName.get(name);
    const { values } = parseSteps(row.example.pipeline)[0];
    const sides = row.parameters.filter((parameter) => SIDES.includes(parameter.name) && parameter.type.endsWith(FRACTION));
    return sides.length === SIDES.length ? Object.fromEntries(SIDES.map((side) => [side, "0.6"])) : values;
  }

  // The output parameters that make sense for a format; all of them where none is named.
  outputFor(format) {
    const form = this.formats.find((row) => row.name === format);
    if (!form) return this.output;
    const ofFormats = new Set(this.formats.flatMap((row) => row.fields));
    return this.output.filter((row) => !ofFormats.has(row.name) || form.fields.includes(row.name));
  }

  // The output as it is sent: without what the chosen format does not take.
  sent(output) {
    const names = new Set(this.outputFor(output.format).map((row) => row.name));
    return Object.fromEntries(Object.entries(output).filter(([name, value]) => value !== "" && names.has(name)));
  }
}

// A parameter whose type lists its words, `a, b or c`, is a choice too.
function withChoices(parameter) {
  if (parameter.choices || parameter.type === "true or false" || !WORDS.test(parameter.type)) return parameter;
  return { ...parameter, choices: parameter.type.split(/, | or /) };
}
