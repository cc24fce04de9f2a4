// SSIM of before and after, computed beside the page.  Before is first scaled to the size of the result.

const MOST_PIXELS = 4e6;
const SAME_SHAPE = 0.02;

let worker = null;
let asked = 0;

// A number up to 1, or null where the shapes differ or the browser shows one of them not.
export async function likeness(before, after, size) {
  const [width, height] = size.after;
  const shape = (width * size.before[1]) / (height * size.before[0]);
  if (Math.abs(shape - 1) > SAME_SHAPE || width * height > MOST_PIXELS || Math.min(width, height) < 8) return null;
  asked += 1;
  const number = asked;
  const options = { resizeWidth: width, resizeHeight: height, resizeQuality: "high" };
  let images;
  try {
    images = await Promise.all([createImageBitmap(before, options), createImageBitmap(after)]);
  } catch {
    return null;
  }
  if (number !== asked) {
    images.forEach((image) => image.close());
    return null;
  }
  worker ??= new Worker(new URL("./ssim.js", import.meta.url), { type: "module" });
  return new Promise((resolve) => {
    const heard = ({ data }) => {
      if (data.number !== number) return;
      worker.removeEventListener("message", heard);
      resolve(data.ssim);
    };
    worker.addEventListener("message", heard);
    worker.postMessage({ number, images }, images);
  });
}
