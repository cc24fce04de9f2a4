// The page: joins the recipe, its forms, the pictures and the server.

import { ask, blobOf, Gone, persist } from "../common/server.js";
import { Catalogue } from "./app/catalogue.js";
import { Previewer } from "./app/previewer.js";
import { Requests } from "./app/request.js";
import { listenForPictures, sample, SAMPLES } from "./app/sources.js";
import { askForKey, Status } from "./app/status.js";
import { Store } from "./app/store.js";
import { Uploads } from "./app/uploads.js";
import { CodeTabs } from "./code/tabs.js";
import { OutputForm } from "./forms/output.js";
import { StepList } from "./forms/steps.js";
import { Viewer } from "./view/viewer.js";

const BETWEEN = { format: "webp", quality: "90", frame: "0" };

class Page {
  // given: [file, name of the sample] that came before the catalogue, or null.
  constructor(catalogue, status, given) {
    this.status = status;
    this.store = new Store();
    this.parts = new Map();
    this.file = null;
    const context = { parts: this.parts, draw: (...words) => this.draw(...words) };
    this.requests = new Requests(catalogue, this.store, this.parts);
    this.uploads = new Uploads(catalogue.hasUploads);
    const send = (question, signal) => this.uploads.ask(question, signal);
    this.viewer = new Viewer(status, send);
    this.steps = new StepList(catalogue, this.store, context, (text) => status.tell(text));
    this.output = new OutputForm(catalogue, this.store, context);
    this.code = new CodeTabs(() => this.requests.request(this.file, this.viewer.seen), (text) => status.say("ready", text));
    this.previewer = new Previewer(send, (event) => this.previewed(event));
    this.store.listen((kind) => this.changed(kind));
    this.showProblem(null);
    document.body.classList.add("ready");
    if (given) this.take(...given);
    else if (this.store.recipe.sample in SAMPLES) this.takeSample(this.store.recipe.sample);
    else status.say("ready", "Choose, drop or paste a picture, or take a sample.");
  }

  async takeSample(name) {
    this.take(await sample(name), name);
  }

  take(file, name) {
    if (this.file && this.file !== file) this.uploads.remove(this.file);
    this.file = file;
    if (this.store.recipe.sample !== name) {
      this.store.recipe.sample = name;
      this.store.commit("sample");
    }
    document.body.classList.add("has-picture");
    this.viewer.showBefore(file);
    this.ask(0);
  }

  changed(kind) {
    this.code.show();
    const { sample: name } = this.store.recipe;
    if (kind === "replaced" && name in SAMPLES && this.file?.name !== SAMPLES[name][0]) this.takeSample(name);
    else if (kind !== "sample" && this.file) this.ask();
  }

  ask(pauseMs) {
    this.previewer.want(() => this.requests.question(this.file), pauseMs);
  }

  async previewed(event) {
    if (event.kind === "asking") this.viewer.setBusy(true);
    else if (event.kind === "pausing") this.status.pause(event.error, event.seconds);
    else this.viewer.setBusy(false);
    if (event.kind === "done") {
      this.showProblem(null);
      await this.viewer.showAfter(event, this.file);
      this.code.show();
    } else if (event.kind === "failed" && event.error.wantsKey) {
      await askForKey(event.error.message);
      this.ask(0);
    } else if (event.kind === "failed") this.showProblem(event.error);
  }

  showProblem(problem) {
    const told = problem?.facts ? problem : null;
    const isBeside = this.steps.showProblem(told) | this.output.showProblem(told);
    if (problem) this.status.say("wrong", problem.message);
    this.viewer.setStale(Boolean(problem));
    return isBeside;
  }

  // Draw on the picture as it enters the step.
  async draw(tool, step, form) {
    if (!this.file) {
      this.status.say("wrong", "Choose a picture first, to draw on it.");
      return;
    }
    const before = this.requests.steps.slice(0, this.requests.steps.indexOf(step));
    const question = this.requests.question(this.file, step.on ? before : this.requests.steps, BETWEEN);
    try {
      // Asked for when somebody draws: most visitors do not.
      const { Drawing } = await import("./forms/drawing.js");
      this.drawing ??= new Drawing();
      const blob = await blobOf(await this.uploads.ask(question));
      await this.drawing.open(tool, step.values, URL.createObjectURL(blob), (values) => {
        form.setValues(values);
        this.store.commit();
      });
    } catch (error) {
      this.status.say("wrong", error.message);
    }
  }
}

async function start() {
  const status = new Status();
  let [page, given] = [null, null];
  listenForPictures((...words) => (page ? page.take(...words) : (given = words)));
  let catalogue = null;
  while (!catalogue) {
    try {
      const answer = await persist(() => ask("operations", { accept: "application/json" }), (error, seconds) => status.pause(error, seconds));
      catalogue = await answer.json();
    } catch (error) {
      if (error.wantsKey) await askForKey(error.message);
      else if (!(error instanceof Gone || error instanceof SyntaxError || error instanceof TypeError)) {
        status.say("wrong", error.message);
        return;
      } else await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  page = new Page(new Catalogue(catalogue), status, given);
}

start();
