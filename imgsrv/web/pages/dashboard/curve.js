// A curve of the last minutes as SVG.  It repeats in pictures what the tile says in words, so readers skip it.

import { svg } from '../common/dom.js';

export const LENGTH = 120;
const SHORTEST = 20;

export class Curve {
  constructor(count = 1) {
    this.rows = Array.from({ length: count }, () => []);
    this.paths = this.rows.map((_row, index) => svg('path', { class: index ? 'second' : null }));
    this.element = svg('svg', { preserveAspectRatio: 'none', 'aria-hidden': 'true' }, ...this.paths);
  }

  /** Add a value to each row; null leaves a gap. */
  add(...values) {
    values.forEach((value, index) => {
      this.rows[index].push(value);
      if (this.rows[index].length > LENGTH) this.rows[index].shift();
    });
    const length = Math.max(SHORTEST, this.rows[0].length);
    this.element.setAttribute('viewBox', `0 0 ${length - 1} 40`);
    const most = Math.max(1e-9, ...this.rows.flat().filter(value => value !== null));
    this.rows.forEach((row, index) => this.paths[index].setAttribute('d', line(row, most, length)));
  }
}

function line(row, most, length) {
  let pen = 'M';
  return row.map((value, index) => {
    if (value === null) { pen = 'M'; return ''; }
    const point = `${pen}${length - row.length + index} ${(38 - 36 * value / most).toFixed(1)}`;
    pen = 'L';
    return point;
  }).join('');
}
