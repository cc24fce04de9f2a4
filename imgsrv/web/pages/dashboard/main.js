// The dashboard: what `imgsrv monit` shows, for a browser.

import { counted, el, find } from '../common/dom.js';
import { operatorKey } from '../common/server.js';
import { Curve } from './curve.js';
import { Refused, watch } from './events.js';
import { bytes, duration, isAnotherStart, percent, perSecond, quantile, rate, seconds, whole } from './figures.js';

const WINDOW = 30;

const KINDS = {
  ready: 'good', serving: 'good', starting: 'wait', draining: 'wait', reloading: 'wait', stopping: 'wait',
  'not responding': 'bad', unknown: 'bad',
};

/** The snapshots of the window, the oldest first. */
let past = [];
let isPaused = false;

// ---- tiles ----------------------------------------------------------------------------------------------

const tiles = new Map();

function tile(title, curves = 0) {
  const value = el('p', { class: 'value' }), more = el('p', { class: 'more' });
  const curve = curves ? new Curve(curves) : null;
  find('#tiles').append(el('div', { class: 'sheet' }, el('h2', { text: title }), value, more, curve?.element));
  tiles.set(title, { value, more, curve });
}

function show(title, value, more, ...points) {
  const found = tiles.get(title);
  found.value.textContent = value;
  found.more.textContent = more;
  found.curve?.add(...points);
}

for (const [title, curves] of [
  ['Requests a second', 2], ['Latency', 2], ['Queue', 1], ['Engines at work', 1], ['Memory', 1], ['Traffic', 2],
  ['Cache hits', 1], ['Refusals a second', 1],
]) tile(title, curves);

// ---- tables ---------------------------------------------------------------------------------------------

function fill(id, rows, none) {
  const made = rows.map(cells => el('tr', {}, ...cells.map((cell, index) => {
    const { text, kind } = typeof cell === 'object' ? cell : { text: cell };
    return index ? el('td', { text, 'data-kind': kind || null }) : el('th', { text, scope: 'row' });
  })));
  find(id).replaceChildren(...made.length ? made : [el('tr', {}, el('td', { class: 'none', text: none }))]);
}

function counts(now, before, table) {
  return Object.entries(table(now)).map(([name, count]) => {
    const each = rate(now, before, snapshot => table(snapshot)[name] ?? 0);
    return [name, whole(count), each ? `${perSecond(each)}/s` : ''];
  });
}

function drawTables(now, last, before) {
  const earlier = new Map((last?.workers ?? []).map(worker => [worker.pid, worker]));
  const passed = last ? now.at - last.at : 0;
  fill('#workers', now.workers.map(worker => {
    const was = passed > 0 ? earlier.get(worker.pid) : undefined;
    return [
      String(worker.slot), String(worker.pid), { text: worker.state, kind: KINDS[worker.state] },
      String(worker.generation),
      was ? percent((worker.cpu_s - was.cpu_s) / passed) : '–', bytes(worker.memory_bytes), whole(worker.connections),
      was ? perSecond((worker.jobs_done - was.jobs_done) / passed) : '–', whole(worker.jobs_done),
      worker.job_s === null ? 'idle' : `for ${worker.job_s.toFixed(1)} s`,
    ];
  }), 'There are no workers.');
  fill('#refusals', counts(now, before, snapshot => snapshot.totals.errors), 'There were none.');
  fill('#cache', counts(now, before, snapshot => snapshot.totals.cache), 'Nothing was kept or found yet.');
  fill('#restarts', counts(now, before, snapshot => snapshot.totals.restarts), 'None was replaced.');
  fill('#sources', Object.entries(now.sources).map(([kind, source]) => [
    kind, `${whole(source.asked)} asked`, { text: `${whole(source.failed)} failed`, kind: source.failed ? 'bad' : '' },
    `${seconds(source.us / 1e6 / source.asked)} each`, bytes(source.bytes),
  ]), 'No source was asked.');
}

// ---- one snapshot ---------------------------------------------------------------------------------------

function draw(now) {
  if (past.length && isAnotherStart(now, past.at(-1))) past = [];
  const last = past.at(-1), before = past[0];
  past.push(now);
  if (past.length > WINDOW) past.shift();
  tell(now.is_stopping ? 'stopping' : now.is_reloading ? 'reloading' : 'serving');
  find('#main').classList.remove('pending');
  find('#name').textContent = now.name;
  find('#facts').textContent =
    `version ${now.version} · up ${duration(now.uptime_s)} · generation ${now.generation}`;
  drawTiles(now, last, before);
  drawTables(now, last, before);
}

function drawTiles(now, last, before) {
  const requests = rate(now, last, snapshot => snapshot.totals.requests);
  const jobs = rate(now, last, snapshot => snapshot.totals.jobs_done);
  const words = `${perSecond(jobs)} jobs a second · ${counted(now.totals.requests, 'request')}`;
  show('Requests a second', perSecond(requests), words, requests, jobs);
  const [p50, p99] = [0.5, 0.99].map(share => quantile(now, before, share));
  show('Latency', seconds(p50), `p50 of ${WINDOW} s · p99 ${seconds(p99)}`, p50, p99);
  show('Queue', whole(now.queue.waiting), `of ${whole(now.queue.max)} that may wait`, now.queue.waiting);
  const busy = now.workers.filter(worker => worker.job_s !== null).length;
  const ready = now.workers.filter(worker => worker.state === 'ready').length;
  show('Engines at work', `${busy} of ${now.workers.length}`, `${counted(ready, 'worker')} ready`, busy);
  show('Memory', bytes(now.memory.used), `of ${bytes(now.memory.max)}`, now.memory.used);
  const [received, sent] = ['bytes_in', 'bytes_out'].map(name => rate(now, last, snapshot => snapshot.totals[name]));
  const text = value => value === null ? '–' : `${bytes(value)}/s`;
  show('Traffic', text(sent), `sent · ${text(received)} received`, sent, received);
  const hits = rate(now, last, found), misses = rate(now, last, snapshot => snapshot.totals.cache.misses ?? 0);
  const all = found(now) + (now.totals.cache.misses ?? 0);
  const share = hits + misses > 0 ? hits / (hits + misses) : null;
  show('Cache hits', all ? percent(found(now) / all) : '–', all ? `of ${whole(all)} since the start` : 'no cache in use', share);
  const refused = rate(now, last, snapshot => sum(snapshot.totals.errors));
  show('Refusals a second', perSecond(refused), `${whole(sum(now.totals.errors))} since the start`, refused);
}

const sum = table => Object.values(table).reduce((total, count) => total + count, 0);
const found = snapshot => (snapshot.totals.cache.hits ?? 0) + (snapshot.totals.cache.not_modified ?? 0);

function tell(text, kind = KINDS[text]) {
  const state = find('#state');
  // A reader says what changes, and the state is the same for hours.
  if (state.textContent !== text) state.textContent = text;
  state.dataset.kind = kind;
}

// ---- asking ---------------------------------------------------------------------------------------------

let ending = null;

async function start() {
  ending?.abort();
  ending = new AbortController();
  find('#ask').hidden = true;
  try {
    await watch(
      'dashboard/events', operatorKey.headers(), snapshot => isPaused || draw(snapshot),
      message => tell(message, 'bad'), ending.signal,
    );
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    tell('not allowed', 'bad');
    find('#why').textContent = error.message;
    find('#ask').hidden = false;
    find('#key').focus();
  }
}

find('#ask').addEventListener('submit', event => {
  event.preventDefault();
  operatorKey.set(find('#key').value.trim());
  find('#key').value = '';
  start();
});

find('#pause').addEventListener('click', () => {
  isPaused = !isPaused;
  find('#pause').setAttribute('aria-pressed', String(isPaused));
  if (isPaused) tell('paused', 'wait');
});

// Nobody looks at a hidden tab, so it asks for nothing.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) ending?.abort();
  else start();
});

start();
