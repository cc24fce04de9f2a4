#!/usr/bin/env bash
# A JPEG has 200×100 pixels by its frame header.  Its EXIF is that of the picture that it was made from, as a server
# leaves it that enlarges a picture and keeps its metadata: 144 dpi, PixelXDimension 100, PixelYDimension 50.
#
# Expected: a page shows it 200 pixels wide, like the same picture without EXIF, and `naturalWidth` says so.
# What happens: it is 100 wide.  Where the pixels, times 72, divided by the resolution, are just what EXIF has as the
# dimensions, these are its size in CSS pixels (HTML standard, "density-corrected natural width and height").  So a
# picture that was doubled is as small as before, and one of 36 dpi that was halved stays as large, and blurred; the
# layout is wrong by a factor, and a canvas too.  One pixel of difference, and the rule does not apply.
# It is for JPEG alone: the same EXIF in WebP, PNG or AVIF changes nothing.  Whoever scales and keeps EXIF has to drop or
# rewrite the dimensions (tags 0xA002 and 0xA003); the resolution alone does no harm.
#
# Seen with @sparticuz/chromium 153.0.0 (by puppeteer-core 24.43.1) and Chromium 156 of Debian 12; pictures by Pillow 13.0.0:
#   jpeg 200×100, 144 dpi, EXIF says 100×50:  shown as 100×50
#   jpeg 200×100, 144 dpi, EXIF says 200×100: shown as 200×100
#   jpeg 200×100, 144 dpi, EXIF says 99×50:   shown as 200×100
#   jpeg 100×50,  36 dpi,  EXIF says 200×100: shown as 200×100
#   webp 200×100, 144 dpi, EXIF says 100×50:  shown as 200×100
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export TMPDIR=$folder
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0
npm install --silent --no-audit --no-fund --prefix "$folder" @sparticuz/chromium@153.0.0 puppeteer-core@24.43.1 >/dev/null
cd "$folder"

cat >cases.json <<'JSON'
[
  ["jpeg", [200, 100], 144, [100, 50], [100, 50]],
  ["jpeg", [200, 100], 144, [200, 100], [200, 100]],
  ["jpeg", [200, 100], 144, [99, 50], [200, 100]],
  ["jpeg", [100, 50], 36, [200, 100], [200, 100]],
  ["webp", [200, 100], 144, [100, 50], [200, 100]]
]
JSON
venv/bin/python - <<'PYTHON'
import json

from PIL import Image

for number, (kind, size, resolution, says, _) in enumerate(json.load(open("cases.json"))):
    picture = Image.new("RGB", size, "red")
    exif = picture.getexif()
    exif[0x011A], exif[0x011B], exif[0x0128] = resolution, resolution, 2  # XResolution, YResolution, in inches
    exif.get_ifd(0x8769).update({0xA002: says[0], 0xA003: says[1]})
    picture.save(f"{number}.{kind}", exif=exif)
PYTHON
cat >look.mjs <<'JAVASCRIPT'
import {readFileSync, writeFileSync} from 'node:fs';
import chromium from '@sparticuz/chromium';
import puppeteer from 'puppeteer-core';

const cases = JSON.parse(readFileSync('cases.json'));
writeFileSync('page.html', cases.map(([kind], number) => `<img src=${number}.${kind}>`).join(''));
const executablePath = await chromium.executablePath();
const browser = await puppeteer.launch({executablePath, args: chromium.args, headless: 'shell', timeout: 60000});
let shown;
try {
  const page = await browser.newPage();
  await page.goto(`file://${process.cwd()}/page.html`, {timeout: 30000});
  shown = await page.evaluate(() => [...document.images].map((image) => [image.naturalWidth, image.naturalHeight]));
} finally {
  await browser.close();
}
const text = (size) => size.join('×');
cases.forEach(([kind, size, resolution, says], number) => console.log(
  kind, `${text(size)},`.padEnd(8), `${resolution} dpi,`.padEnd(8), 'EXIF says', `${text(says)}:`.padEnd(8), 'shown as', text(shown[number])));
process.exit(JSON.stringify(shown) === JSON.stringify(cases.map((row) => row[4])) ? 0 : 1);
JAVASCRIPT
node look.mjs
