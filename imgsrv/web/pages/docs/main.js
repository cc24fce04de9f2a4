// The API to read and to try, made from /openapi.json.

import { counted, el, find } from "../common/dom.js";
import { ask, key, persist } from "../common/server.js";
import { prose } from "./prose.js";
import { resolved, typeText } from "./schema.js";
import { tryForm, useOutput } from "./trying.js";

const METHODS = ["post", "get", "delete"];
const TAGS = { operations: "Operations", pipeline: "Several at once", info: "Descriptions", uploads: "Uploads", server: "The server" };

const BASE = new URL("./", location).href.replace(/\/$/, "");
let api = null;

// ---- the list -------------------------------------------------------------------------------------------

function drawList() {
  const wanted = find("#filter").value.trim().toLowerCase();
  const groups = new Map();
  let count = 0;
  for (const [path, methods] of Object.entries(api.paths)) {
    const first = methods[METHODS.find((method) => methods[method])];
    if (wanted && !`${path} ${first.summary}`.toLowerCase().includes(wanted)) continue;
    const tag = first.tags?.[0] ?? "server";
    if (!groups.has(tag)) groups.set(tag, []);
    groups.get(tag).push([path, first.summary]);
    count += 1;
  }
  find("#count").textContent = counted(count, "operation");
  find("#list").replaceChildren(...[...groups].map(([tag, items]) => el("section", {},
    el("h2", { text: TAGS[tag] ?? tag }),
    el("ul", {}, ...items.map(([path, summary]) =>
      el("li", {}, el("a", { href: `#${path}`, title: summary, text: path, "aria-current": path === shownPath() ? "page" : null })))))));
}

const shownPath = () => {
  const path = decodeURIComponent(location.hash.slice(1));
  return api.paths[path] ? path : Object.keys(api.paths).find((each) => each === "/resize") ?? Object.keys(api.paths)[0];
};

// ---- one operation --------------------------------------------------------------------------------------

function drawOperation() {
  const path = shownPath(), methods = METHODS.filter((method) => api.paths[path][method]);
  const body = el("div", { class: "operation" });
  const choose = (method) => body.replaceChildren(...partsOf(path, method));
  const choice = methods.length < 2 ? null : el("fieldset", { class: "choice" },
    el("legend", { text: "Method" }),
    ...methods.map((method, index) => el("label", {},
      el("input", { type: "radio", name: "method", value: method, checked: index === 0, on: { change: () => choose(method) } }),
      methodText(path, method))));
  find("#article").replaceChildren(el("h2", { text: path }), ...[choice, body].filter(Boolean));
  choose(methods[0]);
  document.title = `${path} · imgsrv: the API`;
}

function methodText(path, method) {
  const { parameters = [] } = api.paths[path][method];
  if (method === "get" && parameters.some((each) => each.name === "source")) return "GET, a picture that is named";
  return method === "post" ? "POST, a picture that is sent" : method.toUpperCase();
}

function* partsOf(path, method) {
  const found = api.paths[path][method];
  const shared = api.paths[path].parameters ?? [];
  const operation = { ...found, parameters: [...shared, ...(found.parameters ?? [])].map((each) => resolved(api, each)) };
  yield prose("p", { class: "summary" }, found.summary);
  if (found.description) yield prose("p", { class: "description" }, found.description);
  yield tryForm(BASE, method.toUpperCase(), path, operation);
  yield el("h3", { text: "Answers" });
  yield el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "status" }), el("th", { scope: "col", text: "meaning" }))),
    el("tbody", {}, ...Object.entries(found.responses).map(([status, answer]) => answerRow(status, resolved(api, answer)))));
}

function answerRow(status, answer) {
  const types = Object.keys(answer.content ?? {}).filter((type) => !type.includes("problem"));
  const headers = Object.entries(answer.headers ?? {}).map(([name, header]) => {
    const { description, schema } = resolved(api, header);
    return `${name}: ${description ?? typeText(schema)}`;
  });
  const text = [answer.description, types.length > 4 ? counted(types.length, "media type") : types.join(", "), ...headers];
  return el("tr", {}, el("th", { scope: "row", text: status }), prose("td", {}, text.filter(Boolean).join("\n\n")));
}

// ---- the description ------------------------------------------------------------------------------------

async function start() {
  try {
    const told = (error) => { find("#about").textContent = error.message; };
    api = await persist(async () => (await ask("openapi.json")).json(), told);
  } catch (error) {
    document.body.classList.remove("pending");
    find("#why").textContent = error.message;
    find("#ask").hidden = false;
    find("#key").focus();
    return;
  }
  document.body.classList.remove("pending");
  find("#ask").hidden = true;
  find("#about").textContent = `version ${api.info.version} · ${api.info.summary}`;
  const pipeline = api.paths["/pipeline"]?.post.parameters ?? [];
  useOutput(pipeline.map((each) => resolved(api, each).name).filter((name) => name !== "ops" && name !== "preset"));
  drawList();
  drawOperation();
}

find("#filter").addEventListener("input", drawList);
addEventListener("hashchange", () => {
  drawList();
  drawOperation();
  find("#operation").focus({ preventScroll: true });
  scrollTo(0, 0);
});
find("#ask").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(find("#key").value.trim());
  find("#key").value = "";
  start();
});

start();
