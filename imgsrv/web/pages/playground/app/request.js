// What the recipe asks of the server: the path and files of a preview, and the request that the code is made from.

import { BASE, key } from "../../common/server.js";
import { makeStep, printPairs, printSteps, queryPairs } from "./recipe.js";

const WIDTHS = [320, 640, 1280];
const PLACEHOLDERS = ["blurhash", "thumbhash", "lqip"];

export class Requests {
  constructor(catalogue, store, parts) {
    Object.assign(this, { catalogue, store, parts });
  }

  get steps() {
    return this.store.recipe.steps.filter((step) => step.on);
  }

  get output() {
    return this.catalogue.sent(this.store.recipe.output);
  }

  // [[name, file], …] of the further files that the steps name.
  partsOf(steps) {
    const names = steps.flatMap((step) => {
      const row = this.catalogue.byName.get(step.name)?.parameters.find((parameter) => parameter.name === "part");
      return row ? [step.values.part || row.default] : [];
    });
    return [...new Set(names)].filter((name) => this.parts.has(name)).map((name) => [name, this.parts.get(name)]);
  }

  // {path, files} for the picture, [[part, file], …].  output: other than the recipe's, for a look between the steps.
  question(file, steps = this.steps, output = this.output) {
    const path = `pipeline?${printPairs(queryPairs(steps, output))}`;
    return { path, files: [["file", file], ...this.partsOf(steps)] };
  }

  // The request of the code tabs.  seen: {type, before, after} of the last result, sizes in pixels or null; its media
  // type is that of a picture that keeps its format.
  request(file, seen) {
    const { steps, output } = this;
    const only = steps.length === 1 ? steps[0] : null;
    const given = only ? Object.entries(only.values).filter(([, value]) => value !== "") : [];
    const pairs = only ? [...given, ...Object.entries(output)] : queryPairs(steps, output);
    const clashes = given.some(([name]) => name in output);
    return {
      base: BASE,
      path: only && !clashes ? only.name : "pipeline",
      pairs: clashes ? queryPairs(steps, output) : pairs,
      steps,
      output,
      file: file?.name ?? "photo.jpg",
      parts: this.partsOf(steps).map(([name, content]) => [name, content.name]),
      suffix: this.suffixOf(output.format, seen.type),
      wantsKey: Boolean(key.get()),
      widths: this.widths(steps, file, seen),
      stepsAt: (width) => this.stepsAt(steps, width),
      fitting: (values) => this.catalogue.sent(values),
    };
  }

  suffixOf(format, type) {
    if (PLACEHOLDERS.includes(format)) return ".txt";
    const form = this.catalogue.formats.find((row) => row.name === format || (!format && row.media_type === type) || (format === "auto" && row.media_type === type));
    return form?.suffixes[0] ?? ".jpg";
  }

  // The step that scales: the last one whose size may be enlarged.
  scaling(steps) {
    const scales = (step) => this.catalogue.byName.get(step.name)?.parameters.some((row) => row.name === "enlarge");
    return steps.findLast((step) => scales(step) && Number(step.values.width));
  }

  // No wider than the picture, as far as it is known before that step: a wider one would not be what its `w` says.
  widths(steps, file, seen) {
    const scaling = this.scaling(steps);
    const own = Number(scaling?.values.width);
    const wanted = own ? [Math.round(own / 2), own, own * 2] : WIDTHS;
    const mayGrow = scaling?.values.enlarge === "true" || scaling?.values.fit === "contain" || file?.type.includes("svg");
    const most = mayGrow ? null : scaling ? scaling === steps[0] && seen.before?.[0] : seen.after?.[0];
    return most ? [...new Set(wanted.map((width) => Math.min(width, most)))] : wanted;
  }

  stepsAt(steps, width) {
    const scaling = this.scaling(steps);
    if (!scaling) return [...steps, makeStep("resize", { width: String(width) })];
    const height = Number(scaling.values.height);
    const ratio = width / Number(scaling.values.width);
    const values = { ...scaling.values, width: String(width), ...(height ? { height: String(Math.round(height * ratio)) } : {}) };
    return steps.map((step) => (step === scaling ? { ...step, values } : step));
  }

  get ops() {
    return printSteps(this.steps);
  }
}
