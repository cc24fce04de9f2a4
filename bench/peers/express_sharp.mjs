// Express and sharp as its users write it: the body is the picture, the query says what is wanted.
//
//   PORT=9000 WORKERS=2 node express_sharp.mjs     with node's cluster, one process for each core
//   PORT=9000 pm2-runtime start express_sharp.mjs -i max
//
// sharp's own threads: one for each picture, which is its default on glibc and what a process for each core asks for.
// libuv keeps its default of four threads, so that a process works on several pictures at once: with one or two, and with
// NODE_ENV=production, it makes as many pictures a second.
import cluster from 'node:cluster';
import express from 'express';
import sharp from 'sharp';

sharp.concurrency(1);

// Twice the picture less a Gaussian of one pixel: an unsharp mask in one convolution, where sharp's own goes by LAB.
const WEIGHTS = [-2, -1, 0, 1, 2].map((x) => Math.exp((-x * x) / 2));
const SUM = WEIGHTS.reduce((sum, weight) => sum + weight);
const UNSHARP = WEIGHTS.flatMap((down, y) =>
  WEIGHTS.map((across, x) => (x === 2 && y === 2 ? 2 : 0) - (down * across) / (SUM * SUM)),
);

function serve() {
  const app = express();
  app.use(express.raw({ type: () => true, limit: '64mb' }));
  app.post('/', async (request, response) => {
    const { width, height, fit, format, options, effect } = request.query;
    let picture = sharp(request.body)
      .autoOrient()
      .resize({ width: Number(width), height: height ? Number(height) : undefined, fit });
    if (effect === 'unsharp-grayscale') {
      picture = picture.sharpen({ sigma: 1 }).grayscale();
    } else if (effect === 'convolve-grayscale') {
      picture = picture.grayscale().convolve({ width: 5, height: 5, kernel: UNSHARP });
    }
    const bytes = await picture.toFormat(format, JSON.parse(options)).toBuffer();
    response.type(`image/${format}`).send(bytes);
  });
  app.get('/', (request, response) => response.send('ready'));
  app.listen(Number(process.env.PORT), '127.0.0.1');
}

const workers = Number(process.env.WORKERS ?? 0);
if (workers && cluster.isPrimary) {
  for (let number = 0; number < workers; number += 1) cluster.fork();
} else {
  serve();
}
