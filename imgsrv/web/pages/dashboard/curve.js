// A curve of the last minutes as SVG.  It repeats in pictures what the tile says in words, so readers skip it.

const NAMESPACE = 'http://www.w3.org/2000/svg';

export const LENGTH = 120;
const SHORTEST = 20;

export class Curve {
  constructor(count = 1) {
    this.rows = Array.from({ length: count }, () => []);
    this.element = document.createElementNS(NAMESPACE, 'svg');
    this.element.setAttribute('preserveAspectRatio', 'none');
    this.element.setAttribute('aria-hidden', 'true');
    this.paths = this.rows.map((_row, index) => {
      const path = document.createElementNS(NAMESPACE, 'path');
      if (index) path.setAttribute('class', 'second');
      return this.element.appendChild(path);
    });
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
