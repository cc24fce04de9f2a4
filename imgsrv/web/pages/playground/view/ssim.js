// A worker: SSIM of the luma of two pictures of one size, over blocks of 8 by 8 pixels, each 4 from the next.
// Wang, Bovik, Sheikh, Simoncelli (2004), IEEE Transactions on Image Processing 13(4), 600-612.

const SIDE = 8;
const STRIDE = 4;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

export function ssim(one, other, width, height) {
  let sum = 0;
  let blocks = 0;
  for (let top = 0; top + SIDE <= height; top += STRIDE) {
    for (let left = 0; left + SIDE <= width; left += STRIDE) {
      sum += block(one, other, width, left, top);
      blocks += 1;
    }
  }
  return sum / blocks;
}

function block(one, other, width, left, top) {
  let [a, b, aa, bb, ab] = [0, 0, 0, 0, 0];
  for (let y = top; y < top + SIDE; y += 1) {
    for (let at = y * width + left; at < y * width + left + SIDE; at += 1) {
      const [p, q] = [one[at], other[at]];
      a += p;
      b += q;
      aa += p * p;
      bb += q * q;
      ab += p * q;
    }
  }
  const count = SIDE * SIDE;
  [a, b] = [a / count, b / count];
  const [va, vb, vab] = [aa / count - a * a, bb / count - b * b, ab / count - a * b];
  return ((2 * a * b + C1) * (2 * vab + C2)) / ((a * a + b * b + C1) * (va + vb + C2));
}

// Luma over white, as Float32.
function lumaOf(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, image.width, image.height);
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const luma = new Float32Array(image.width * image.height);
  for (let at = 0; at < luma.length; at += 1) {
    luma[at] = 0.299 * data[at * 4] + 0.587 * data[at * 4 + 1] + 0.114 * data[at * 4 + 2];
  }
  return luma;
}

self.addEventListener("message", ({ data: { number, images } }) => {
  const [width, height] = [images[0].width, images[0].height];
  const found = ssim(...images.map(lumaOf), width, height);
  images.forEach((image) => image.close());
  self.postMessage({ number, ssim: found });
});
