#!/usr/bin/env bash
# A picture of 300×200 is scaled to a box of 100×50 and then turned by a quarter: `.resize(100, 50).rotate(90)`.
#
# Expected: 50×100.  sharp's documentation of `rotate` says that "method order is important when rotating, resizing
# and/or extracting regions", and has this very order as an example, with `fit: 'fill'`.
# What happens: with `fill` it is so.  With `cover`, which is the default, and `contain` the scaling is reckoned for the
# turned picture and the cutting or padding for the other one: the result has neither the size that was asked for nor
# that size turned, and not even its ratio.  A square becomes 100×50, as if the turn came first.
# A JPEG of a phone (EXIF orientation 6) with `.autoOrient()` before gets 100×50: both turns come first.
# No error is raised, and `info` tells the size as it is.  Two pipelines, one after the other, give the right size.
#
# Seen with Node.js 20.20.2 and sharp 0.35.5 (libvips 8.18.7); sharp 0.34.5 gives the same:
#   300×200, cover:   67×50
#   300×200, contain: 100×75
#   300×200, fill:    50×100
#   400×400, cover:   100×50
#   300×200, orientation 6, autoOrient, cover: 100×50
#   300×200, cover, in two pipelines: 50×100
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" sharp@0.35.5 >/dev/null

cat >turn.mjs <<'JAVASCRIPT'
import sharp from 'sharp';

const picture = (width, height) => sharp({create: {width, height, channels: 3, background: 'red'}});
const wide = await picture(300, 200).png().toBuffer();
const square = await picture(400, 400).png().toBuffer();
const phone = await picture(300, 200).withMetadata({orientation: 6}).jpeg().toBuffer();

const size = async (pipeline) => {
  const {info} = await pipeline.png().toBuffer({resolveWithObject: true});
  return `${info.width}×${info.height}`;
};
const turned = (input, fit) => sharp(input).resize(100, 50, {fit}).rotate(90);

const seen = {
  '300×200, cover:  ': await size(turned(wide, 'cover')),
  '300×200, contain:': await size(turned(wide, 'contain')),
  '300×200, fill:   ': await size(turned(wide, 'fill')),
  '400×400, cover:  ': await size(turned(square, 'cover')),
  '300×200, orientation 6, autoOrient, cover:': await size(sharp(phone).autoOrient().resize(100, 50).rotate(90)),
  '300×200, cover, in two pipelines:': await size(sharp(await sharp(wide).resize(100, 50).toBuffer()).rotate(90)),
};
for (const [name, what] of Object.entries(seen)) console.log(name, what);
const known = ['67×50', '100×75', '50×100', '100×50', '100×50', '50×100'];
process.exit(Object.values(seen).join() === known.join() ? 0 : 1);
JAVASCRIPT
node turn.mjs
