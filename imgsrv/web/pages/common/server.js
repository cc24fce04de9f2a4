// Questions to the server: the keys, errors as objects, and patience with a server that is busy or gone.

// Where the server is: the page may be served below a path of a proxy.
export const BASE = new URL(".", document.baseURI).href;

// The key that a visitor has typed: kept for the tab, and shown with every question.
class Key {
  constructor(name) {
    this.name = name;
  }

  get() {
    return sessionStorage.getItem(this.name) ?? "";
  }

  set(text) {
    if (text) sessionStorage.setItem(this.name, text);
    else sessionStorage.removeItem(this.name);
  }

  headers() {
    return this.get() ? { Authorization: `Bearer ${this.get()}` } : {};
  }
}

export const key = new Key("imgsrv key");
export const operatorKey = new Key("imgsrv operator key");

// The server's answer that it does not do it, as RFC 9457 tells it.
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(messageOf(status, body));
    Object.assign(this, { status, code: body.code ?? "", facts: body, retryAfter });
  }

  get wantsKey() {
    return ["missing_key", "unknown_key"].includes(this.code);
  }
}

// The server's words, which speak to programs, where the page knows better ones.
function messageOf(status, body) {
  if (body.code === "missing_part") return `${body.operation} needs a further file: choose it in its step.`;
  return body.detail?.replace(/^the body /, "the file ") || body.title || `The server answered ${status}.`;
}

// No answer: the server is stopped, or the network is.
export class Gone extends Error {}

// The answer, if it is a good one.  options: of fetch.  Raises Problem, Gone, and the signal's AbortError.
export async function ask(path, { accept, ...options } = {}) {
  const headers = key.headers();
  if (accept) headers.Accept = accept;
  let answer;
  try {
    answer = await fetch(BASE + path, { headers, cache: "no-cache", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Gone("The server does not answer.");
  }
  if (answer.ok) return answer;
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  const told = isJson ? await answer.json().catch(() => ({})) : {};
  throw new Problem(answer.status, told, Number(answer.headers.get("Retry-After")) || 0);
}

// The body of an answer; a connection that breaks in it is a server that is gone.
export async function blobOf(answer) {
  try {
    return await answer.blob();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Gone("The server ended the connection before its answer was complete.");
  }
}

// Do the task until it is done or refused.  tell(error, seconds) hears of every pause.
export async function persist(task, tell, signal) {
  for (let pauses = 0; ; pauses += 1) {
    try {
      return await task();
    } catch (error) {
      const seconds = pauseAfter(error, pauses);
      if (seconds === null || signal?.aborted) throw error;
      tell(error, seconds);
      await sleep(seconds * 1000, signal);
    }
  }
}

function pauseAfter(error, pauses) {
  if (error instanceof Gone) return Math.min(8, 0.5 * 1.6 ** pauses);
  const isBusy = error instanceof Problem && [429, 502, 503].includes(error.status);
  return isBusy ? Math.min(60, Math.max(error.retryAfter, 1)) : null;
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("a newer question has come", "AbortError"));
    });
  });
}
