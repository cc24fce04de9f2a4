// The events of the server: asked for by fetch, because an EventSource can show no key, and asked for again when they end.

const AGAIN_MS = 1000, LONGEST_WAIT_MS = 10_000;

/** An answer that is no stream of events; the problem is as the server has put it. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The server answers ${status}.`);
    this.status = status;
  }
}

/**
 * Call `take` with each snapshot until the signal ends it, through reloads and restarts.
 *
 * `lost` is called with a message whenever there is no connection.  Rejects with Refused where asking again is no use.
 */
export async function watch(url, headers, take, lost, signal) {
  let failures = 0;
  while (!signal.aborted) {
    try {
      await follow(url, headers, snapshot => { failures = 0; take(snapshot); }, signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && [401, 403, 404].includes(error.status)) throw error;
      failures += 1;
      lost(error instanceof Refused ? error.message : 'The server does not answer.');
    }
    await pause(Math.min(LONGEST_WAIT_MS, AGAIN_MS * failures), signal);
  }
}

async function follow(url, headers, take, signal) {
  const answer = await fetch(url, { headers: { Accept: 'text/event-stream', ...headers }, signal, cache: 'no-store' });
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (text + value).split('\n\n');
    text = events.pop();
    for (const event of events) {
      if (event.startsWith('data: ')) take(JSON.parse(event.slice(6)));
    }
  }
}

function pause(ms, signal) {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
