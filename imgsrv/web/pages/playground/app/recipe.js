// The recipe: steps and output parameters, all values as text, and the two texts that it is written as.
//
//   the address of a request    ops=resize:width=300/sharpen&format=webp
//   the fragment of the page    the same, with the numbers of steps that are switched off, and the sample

let ids = 0;

export function makeStep(name, values = {}, on = true) {
  ids += 1;
  return { id: ids, name, values, on };
}

// A value as it stands in a pipeline: the signs of its grammar are percent-encoded.
function inStep(value) {
  return encodeURIComponent(value).replace(/%3A/g, ":").replace(/%3B/g, ";");
}

// A value as it stands in a query or a fragment.  What may stand there stays readable.
export function inQuery(value) {
  return encodeURIComponent(value).replace(/%(3A|3B|2F|2C|3D|40)/g, (code) => decodeURIComponent(code));
}

export function printStep(step) {
  const values = Object.entries(step.values).filter(([, value]) => value !== "");
  const listed = values.map(([name, value]) => `${name}=${inStep(value)}`).join(",");
  return listed ? `${step.name}:${listed}` : step.name;
}

export function printSteps(steps) {
  return steps.filter((step) => step.on).map(printStep).join("/");
}

export function parseSteps(text) {
  return text.split("/").filter(Boolean).map((part) => {
    const [name, listed] = cut(part, ":");
    const pairs = listed.split(",").filter(Boolean).map((item) => cut(item, "="));
    return makeStep(name, Object.fromEntries(pairs.map(([each, value]) => [each, decoded(value)])));
  });
}

// [[name, value], …] of a request.  Empty `ops` ask that the picture is only written anew.
export function queryPairs(steps, output) {
  const ops = printSteps(steps);
  const others = Object.entries(output).filter(([, value]) => value !== "");
  return [...(ops || !others.length ? [["ops", ops]] : []), ...others];
}

export function printPairs(pairs) {
  return pairs.map(([name, value]) => `${name}=${inQuery(value)}`).join("&");
}

export function printFragment({ steps, output, sample }) {
  const pairs = [];
  if (steps.length) pairs.push(["ops", steps.map(printStep).join("/")]);
  const off = steps.flatMap((step, index) => (step.on ? [] : [index + 1]));
  if (off.length) pairs.push(["off", off.join(",")]);
  pairs.push(...Object.entries(output).filter(([, value]) => value !== ""));
  if (sample) pairs.push(["sample", sample]);
  return printPairs(pairs);
}

export function parseFragment(text) {
  const pairs = text.split("&").filter(Boolean).map((item) => cut(item, "=").map(decoded));
  const { ops = "", off = "", sample = "", ...output } = Object.fromEntries(pairs);
  const steps = parseSteps(ops);
  for (const number of off.split(",")) if (steps[number - 1]) steps[number - 1].on = false;
  return { steps, output, sample };
}

function cut(text, sign) {
  const at = text.indexOf(sign);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
