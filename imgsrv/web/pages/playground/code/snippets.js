// The recipe as a line to paste: one function for each tab, from one request.
//
// request: {base, path, pairs, steps, output, file, parts, suffix, wantsKey, widths}
//   path, pairs: of the URL.  parts: [[name, file name], …].  suffix: of the result, with its dot.

import { shell } from "../../common/dom.js";
import { inQuery, printPairs, printSteps } from "../app/recipe.js";

const KEY = "IMGSRV_KEY";

export function urlOf({ base, path, pairs }) {
  const query = printPairs(pairs);
  return `${base}${path}${query ? `?${query}` : ""}`;
}

const quoted = (text) => JSON.stringify(text);
const php = (text) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
const html = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
const resultOf = (request) => `result${request.suffix}`;

function url(request) {
  return `POST ${urlOf(request)}`;
}

function curl(request) {
  const key = request.wantsKey ? ` -H "Authorization: Bearer $${KEY}"` : "";
  const files = request.parts.map(([name, file]) => ` -F ${shell(`${name}=@${file}`)}`).join("");
  const body = files ? ` -F ${shell(`file=@${request.file}`)}${files}` : ` --data-binary ${shell(`@${request.file}`)}`;
  return `curl${key}${body} \\\n  ${shell(urlOf(request))} \\\n  -o ${resultOf(request)}`;
}

function convert(request) {
  const words = ["imgsrv convert", shell(request.file), resultOf(request)];
  const ops = printSteps(request.steps);
  if (ops) words.push(shell(ops));
  for (const [name, value] of Object.entries(request.output)) {
    const flag = name.replaceAll("_", "-");
    if (name === "format" && [value, "auto"].some((word) => request.suffix === `.${word}` || value === "auto")) continue;
    words.push(value === "true" ? `--${flag}` : value === "false" ? `--no-${flag}` : `--${flag} ${shell(value)}`);
  }
  for (const [name, file] of request.parts) words.push(`--part ${shell(`${name}=${file}`)}`);
  return words.join(" ");
}

function python(request) {
  const lines = ["import requests", "", `url = ${quoted(urlOf(request))}`];
  const headers = request.wantsKey ? `, headers={"Authorization": f"Bearer {os.environ['${KEY}']}"}` : "";
  if (headers) lines.unshift("import os", "");
  if (request.parts.length) {
    const files = [["file", request.file], ...request.parts].map(([name, file]) => `${quoted(name)}: open(${quoted(file)}, "rb")`);
    lines.push(`answer = requests.post(url, files={${files.join(", ")}}${headers})`);
  } else {
    lines.push(`with open(${quoted(request.file)}, "rb") as picture:`, `    answer = requests.post(url, data=picture${headers})`);
  }
  return [
    ...lines,
    "if not answer.ok:",
    '    raise SystemExit(answer.json()["detail"])',
    `with open(${quoted(resultOf(request))}, "wb") as result:`,
    "    result.write(answer.content)",
  ].join("\n");
}

function javascript(request) {
  const headers = request.wantsKey ? `, headers: { Authorization: \`Bearer \${process.env.${KEY}}\` }` : "";
  const lines = ['import { readFile, writeFile } from "node:fs/promises";', ""];
  if (request.parts.length) {
    lines.push("const body = new FormData();");
    for (const [name, file] of [["file", request.file], ...request.parts]) {
      lines.push(`body.append(${quoted(name)}, new Blob([await readFile(${quoted(file)})]), ${quoted(file)});`);
    }
  } else lines.push(`const body = await readFile(${quoted(request.file)});  // or a File of a form, in a browser`);
  return [
    ...lines,
    `const answer = await fetch(${quoted(urlOf(request))}, { method: "POST", body${headers} });`,
    "if (!answer.ok) throw new Error((await answer.json()).detail);",
    `await writeFile(${quoted(resultOf(request))}, Buffer.from(await answer.arrayBuffer()));`,
  ].join("\n");
}

function phpCode(request) {
  const key = request.wantsKey ? `'Authorization: Bearer ' . getenv('${KEY}')` : "";
  const address = php(urlOf(request));
  if (!request.parts.length) {
    const headers = ["'Content-Type: application/octet-stream'", ...(key ? [key] : [])].join(", ");
    return [
      "<?php",
      "$picture = file_get_contents(" + `${php(request.file)});`,
      "$context = stream_context_create(['http' => ['method' => 'POST', 'content' => $picture,",
      `    'header' => [${headers}], 'ignore_errors' => true]]);`,
      `$result = file_get_contents(${address}, false, $context);`,
      "if (!str_contains($http_response_header[0], ' 200 ')) exit($result);",
      `file_put_contents(${php(resultOf(request))}, $result);`,
    ].join("\n");
  }
  const files = [["file", request.file], ...request.parts].map(([name, file]) => `${php(name)} => new CURLFile(${php(file)})`);
  return [
    "<?php  // with the extension curl",
    `$request = curl_init(${address});`,
    `curl_setopt_array($request, [CURLOPT_POSTFIELDS => [${files.join(", ")}],`,
    `    CURLOPT_RETURNTRANSFER => true${key ? `, CURLOPT_HTTPHEADER => [${key}]` : ""}]);`,
    "$result = curl_exec($request);",
    "if (curl_getinfo($request, CURLINFO_RESPONSE_CODE) !== 200) exit($result);",
    `file_put_contents(${php(resultOf(request))}, $result);`,
  ].join("\n");
}

// The same at several widths and in the formats that browsers know, for a picture that has an address.
function picture(request) {
  const source = `&source=${inQuery(`file:${request.file}`)}`;
  const { format: _, ...output } = request.output;
  const at = (width, format) => {
    const ops = printSteps(request.stepsAt(width));
    const kept = request.fitting({ ...output, format });
    return html(`${request.base}pipeline?${printPairs([["ops", ops], ...Object.entries(kept)])}${source}`);
  };
  const set = (format) => request.widths.map((width) => `${at(width, format)} ${width}w`).join(",\n    ");
  const middle = request.widths[Math.floor(request.widths.length / 2)];
  return [
    "<picture>",
    ...["avif", "webp"].map((format) => `  <source type="image/${format}" sizes="100vw" srcset="\n    ${set(format)}">`),
    `  <img src="${at(middle, "jpeg")}" alt="" sizes="100vw" srcset="\n    ${set("jpeg")}">`,
    "</picture>",
  ].join("\n");
}

export const TABS = [
  { name: "url", title: "URL", make: url, note: "POST the bytes of the picture, or a form with a part named file." },
  { name: "curl", title: "curl", make: curl, note: "" },
  { name: "convert", title: "imgsrv convert", make: convert, note: "The same on files, without a server." },
  { name: "python", title: "Python", make: python, note: "" },
  { name: "javascript", title: "JavaScript", make: javascript, note: "" },
  { name: "php", title: "PHP", make: phpCode, note: "" },
  { name: "picture", title: "<picture>", make: picture, note: "By GET: the server must allow the source, for example with --source-dir. POST /batch?widths=… gives the files instead." },
];
