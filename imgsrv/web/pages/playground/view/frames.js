// Frames of an animation: playing, stopped, one by one.  Where the browser cannot take a picture apart, it plays it.

import { counted, find } from "../../common/dom.js";

export class Frames {
  // canvasOf(name) is where the frames of "before" and "after" are drawn.
  constructor(canvasOf) {
    this.canvasOf = canvasOf;
    this.decoders = {};
    this.bar = find("#frames");
    this.button = find("#play");
    this.slider = find("#frame");
    this.told = find("#frame-value");
    this.index = 0;
    this.timer = 0;
    this.button.addEventListener("click", () => (this.timer ? this.stop() : this.play()));
    this.slider.addEventListener("input", () => {
      this.stop();
      this.draw(Number(this.slider.value));
    });
  }

  // A new picture for one side; blob is null where there is none.
  async show(name, blob) {
    this.close(name);
    const decoder = await open(blob);
    if (decoder) this.decoders[name] = decoder;
    const count = this.count;
    this.bar.classList.toggle("idle", count < 2);
    this.slider.disabled = this.button.disabled = count < 2;
    this.slider.max = Math.max(0, count - 1);
    if (count < 2) {
      this.stop();
      this.told.textContent = counted(1, "frame");
      return;
    }
    this.index = Math.min(this.index, count - 1);
    if (this.timer) this.told.textContent = counted(count, "frame");
    else if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.draw(this.index);
    else this.play();
  }

  close(name) {
    this.decoders[name]?.close();
    delete this.decoders[name];
    this.canvasOf(name).hidden = true;
  }

  get count() {
    return Math.max(0, ...Object.values(this.decoders).map((decoder) => decoder.tracks.selectedTrack.frameCount));
  }

  play() {
    const next = async () => {
      const ms = await this.draw((this.index + 1) % this.count);
      if (this.timer) this.timer = setTimeout(next, ms);
    };
    this.timer = setTimeout(next, 0);
    this.label("Stop");
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.label("Play");
  }

  label(text) {
    this.button.textContent = text;
  }

  // Draw that frame of both sides; return how long it is shown, in milliseconds.
  async draw(index) {
    this.index = index;
    let ms = 100;
    for (const [name, decoder] of Object.entries(this.decoders)) {
      const frameIndex = index % decoder.tracks.selectedTrack.frameCount;
      const result = await decoder.decode({ frameIndex }).catch(() => null);
      if (!result || this.decoders[name] !== decoder) {
        result?.image.close();
        continue;
      }
      const canvas = this.canvasOf(name);
      [canvas.width, canvas.height] = [result.image.displayWidth, result.image.displayHeight];
      canvas.getContext("2d").drawImage(result.image, 0, 0);
      canvas.hidden = false;
      ms = Math.max(20, (result.image.duration ?? 100_000) / 1000);
      result.image.close();
    }
    this.slider.value = index;
    this.told.textContent = `frame ${index + 1} of ${this.count}`;
    return ms;
  }
}

// A decoder with more than one frame, or null.
async function open(blob) {
  if (!blob || !("ImageDecoder" in window) || !(await ImageDecoder.isTypeSupported(blob.type))) return null;
  const decoder = new ImageDecoder({ data: await blob.arrayBuffer(), type: blob.type });
  try {
    await decoder.tracks.ready;
    await decoder.completed;
    if (decoder.tracks.selectedTrack?.frameCount > 1) return decoder;
  } catch {
    // What cannot be taken apart is shown as it is.
  }
  decoder.close();
  return null;
}
