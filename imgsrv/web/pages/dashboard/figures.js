// Figures of two snapshots: rates of counts, and percentiles of what happened between them.

/** The growth of a count per second; null where there is no earlier snapshot of the same server. */
export function rate(now, before, count) {
  if (!before || now.at <= before.at || count(now) < count(before)) return null;
  return (count(now) - count(before)) / (now.at - before.at);
}

/** The seconds that a share of the requests between two snapshots did not exceed; null if there were none. */
export function quantile(now, before, share) {
  // A worker of an older version, during a reload, does not tell the slowest request.
  const { bounds_s: bounds, counts, slowest_s: slowest = Infinity } = now.latency;
  const earlier = before ? before.latency.counts : counts.map(() => 0);
  const between = counts.map((count, index) => Math.max(0, count - earlier[index]));
  const rank = share * between.reduce((sum, count) => sum + count, 0);
  if (!rank) return null;
  let below = 0;
  for (const [index, count] of between.entries()) {
    const lower = index ? bounds[index - 1] : 0;
    const upper = index < bounds.length ? bounds[index] : lower;
    // Within its bucket, a quantile may lie above all that was ever seen.
    if (count && below + count >= rank) return Math.min(slowest, lower + (upper - lower) * (rank - below) / count);
    below += count;
  }
  return bounds.at(-1);
}

/** True if the later snapshot does not go on from the earlier one: the server was started anew. */
export const isAnotherStart = (now, before) => now.totals.requests < before.totals.requests;

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

export function bytes(size) {
  let value = size, unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) { value /= 1000; unit += 1; }
  return `${value >= 100 || !unit ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function seconds(value) {
  if (value === null) return '–';
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
}

export function duration(value) {
  const steps = [['d', 86400], ['h', 3600], ['min', 60]];
  for (const [index, [unit, size]] of steps.entries()) {
    if (value >= size) {
      const next = steps[index + 1] ?? ['s', 1];
      return `${Math.floor(value / size)} ${unit} ${Math.floor(value % size / next[1])} ${next[0]}`;
    }
  }
  return `${Math.floor(value)} s`;
}

export const whole = value => value.toLocaleString('en');
export const perSecond = value => value === null ? '–' : value.toFixed(value < 100 ? 1 : 0);
export const percent = value => value === null ? '–' : `${Math.round(value * 100)}%`;
