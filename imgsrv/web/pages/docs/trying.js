// The form that asks the server, and what it answers.

import { el, formatBytes, formatMs, shell } from "../common/dom.js";
import { key } from "../common/server.js";
import { fieldOf, fileField } from "./fields.js";

const LONGEST_TEXT = 20_000;

/** The form for one method of one path.  base: the address of the server. */
export function tryForm(base, method, path, operation) {
  const parameters = operation.parameters ?? [];
  const fields = parameters.map(fieldOf);
  const files = filesOf(operation);
  const often = fields.filter((_field, index) => parameters[index].required || !isOutput(parameters[index]));
  const rarely = fields.filter((field) => !often.includes(field));
  const line = el("pre", { class: "wrap", tabindex: 0, role: "region", "aria-label": "The command" });
  const result = el("div", { class: "result", role: "status" });
  const button = el("button", { class: "primary", text: "Send" });
  const form = el("form", { class: "try sheet", "aria-label": `Try ${method} ${path}` },
    el("h3", { text: fields.length || files.length ? "Parameters" : "Try it" }),
    el("div", {}, ...files.map((file) => file.element), ...often.map((field) => field.element)),
    rarely.length ? el("details", {}, el("summary", { text: `Output: ${rarely.length} more` }),
      ...rarely.map((field) => field.element)) : null,
    line,
    el("div", { class: "actions" }, button),
    result);
  const target = () => targetOf(path, fields);
  const tell = () => { line.textContent = curl(base, method, target(), files); };
  form.addEventListener("input", tell);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true;
    send(base, method, target(), files, result).finally(() => { button.disabled = false; });
  });
  tell();
  return form;
}

const isOutput = (parameter) => OUTPUT.has(parameter.name);

/** Parameters that every picture has; the description of `/pipeline` names them. */
let OUTPUT = new Set();
export function useOutput(names) { OUTPUT = new Set(names); }

function filesOf(operation) {
  const content = operation.requestBody?.content;
  if (!content) return [];
  const schema = content["multipart/form-data"]?.schema ?? { properties: { file: {} } };
  return Object.entries(schema.properties)
    .filter(([, part]) => part.type !== "array")
    .map(([name, part]) => fileField(name, part.description ?? "The picture.", (schema.required ?? ["file"]).includes(name)));
}

function targetOf(path, fields) {
  const query = [];
  let target = path;
  for (const field of fields) {
    const value = field.value();
    if (field.place === "path") target = target.replace(`{${field.name}}`, encodeURIComponent(value ?? `{${field.name}}`));
    else if (value !== null) query.push(`${encodeURIComponent(field.name)}=${encodeQuery(value)}`);
  }
  return target + (query.length ? `?${query.join("&")}` : "");
}

// Characters that a query may hold as they are (RFC 3986, section 3.4), which keeps pipelines readable.
const encodeQuery = (text) => encodeURIComponent(text).replace(/%(3A|2F|2C|40)/g, decodeURIComponent);

function curl(base, method, target, files) {
  const chosen = files.map((file) => [file.name, file.file()?.name ?? `${file.name === "file" ? "photo" : file.name}.jpg`]);
  const words = ["curl"];
  if (method !== "GET" && !(method === "POST" && files.length)) words.push(`-X ${method}`);
  if (key.get()) words.push("-H 'Authorization: Bearer …'");
  if (chosen.length === 1) words.push(`--data-binary @${shell(chosen[0][1])}`);
  else words.push(...chosen.map(([name, file]) => `-F ${shell(`${name}=@${file}`)}`));
  return [...words, shell(base + target)].join(" ");
}

async function send(base, method, target, files, result) {
  const given = files.map((file) => [file.name, file.file()]).filter(([, file]) => file);
  const body = given.length > 1 ? form(given) : given[0]?.[1];
  const began = performance.now();
  try {
    const answer = await fetch(base + target, { method, body, headers: key.headers() });
    const data = await answer.blob();
    await show(result, answer, data, performance.now() - began);
  } catch {
    result.dataset.kind = "bad";
    result.replaceChildren(el("p", { text: "The server does not answer." }));
  }
}

function form(given) {
  const data = new FormData();
  for (const [name, file] of given) data.append(name, file);
  return data;
}

async function show(result, answer, data, ms) {
  const type = answer.headers.get("Content-Type") ?? "", timing = answer.headers.get("Server-Timing");
  const size = [answer.headers.get("Image-Width"), answer.headers.get("Image-Height")];
  const facts = [`${answer.status} ${answer.statusText}`.trim(), type, size[0] ? size.join(" × ") : "", formatBytes(data.size), formatMs(ms)];
  const parts = [el("p", { text: facts.filter(Boolean).join(" · ") })];
  if (type.includes("json")) {
    const document = JSON.parse(await data.text());
    if (document.detail) parts.push(el("p", { text: document.detail }));
    parts.push(textBox(JSON.stringify(document, null, 2)));
  } else if (type.startsWith("image/")) parts.push(await picture(data));
  else if (type.startsWith("text/")) parts.push(textBox(await data.text()));
  if (data.size && !type.includes("problem")) parts.push(saveLink(data, type));
  if (timing) parts.push(el("p", { class: "quiet", text: `Server-Timing: ${timing}` }));
  result.dataset.kind = answer.ok ? "good" : "bad";
  forget(result);
  result.replaceChildren(...parts);
}

async function picture(data) {
  const image = el("img", { alt: "The result", src: URL.createObjectURL(data) });
  try {
    await image.decode();
  } catch {
    return el("p", { text: "This browser does not show that format; save it." });
  }
  return image;
}

const textBox = (text) => el("pre", { tabindex: 0, role: "region", "aria-label": "The answer", text: text.slice(0, LONGEST_TEXT) });

const saveLink = (data, type) =>
  el("a", { href: URL.createObjectURL(data), download: `result.${type.split(/[/;+]/)[1] ?? "bin"}`, text: "Save the answer" });

function forget(result) {
  for (const node of result.querySelectorAll("[src^='blob:'], [href^='blob:']")) URL.revokeObjectURL(node.src ?? node.href);
}
