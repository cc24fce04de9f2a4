// The slopes of a monotone cubic curve through points, by Fritsch and Butland (1984), as the server computes them.

export function slopes(points) {
  const widths = [];
  const rises = [];
  for (let index = 1; index < points.length; index += 1) {
    const [[x0, y0], [x1, y1]] = [points[index - 1], points[index]];
    widths.push(x1 - x0);
    rises.push((y1 - y0) / (x1 - x0));
  }
  if (rises.length === 1) return [rises[0], rises[0]];
  const inner = rises.slice(1).map((rise, index) => mean(widths[index], widths[index + 1], rises[index], rise));
  const first = end(widths[0], widths[1], rises[0], rises[1]);
  const last = end(widths.at(-1), widths.at(-2), rises.at(-1), rises.at(-2));
  return [first, ...inner, last];
}

// The weighted harmonic mean of the slopes on both sides; 0 where the curve turns.
function mean(leftWidth, rightWidth, leftRise, rightRise) {
  if (leftRise * rightRise <= 0) return 0;
  const left = 2 * rightWidth + leftWidth;
  const right = rightWidth + 2 * leftWidth;
  return (left + right) / (left / leftRise + right / rightRise);
}

// At an end: the slope of the parabola through three points, bounded so that the curve stays monotone.
function end(width, nextWidth, rise, nextRise) {
  const slope = ((2 * width + nextWidth) * rise - width * nextRise) / (width + nextWidth);
  if (slope * rise <= 0) return 0;
  return rise * nextRise <= 0 && Math.abs(slope) > 3 * Math.abs(rise) ? 3 * rise : slope;
}
