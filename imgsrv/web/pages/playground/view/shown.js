// A picture as the browser can show it: as it is, or, where the browser does not know its format, made anew as WebP.

import { ask, blobOf } from "../../common/server.js";

const AS_SHOWN = "pipeline?format=webp&quality=90&frame=0";

const sent = ({ path, files: [[, body]] }) => ask(path, { method: "POST", body });

// {blob, size}: size in pixels, upright.  send(question): gives the answer of the server.  Null if neither the browser nor the server can show it.
export async function shown(blob, send = sent) {
  const size = await sizeOf(blob);
  if (size) return { blob, size };
  try {
    const answer = await send({ path: AS_SHOWN, files: [["file", blob]] });
    const made = await blobOf(answer);
    return { blob: made, size: sizeIn(answer), isMade: true };
  } catch {
    return null;
  }
}

export function sizeIn(answer) {
  const size = [answer.headers.get("Image-Width"), answer.headers.get("Image-Height")].map(Number);
  return size[0] ? size : null;
}

async function sizeOf(blob) {
  const url = URL.createObjectURL(blob);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return [image.naturalWidth, image.naturalHeight];
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(url);
  }
}
