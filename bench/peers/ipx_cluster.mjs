// ipx with its own node server, one process for each core.  PORT, WORKERS and FOLDER say where.
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { createIPX, createIPXNodeServer, ipxFSStorage } from 'ipx';

if (cluster.isPrimary) {
  for (let number = 0; number < Number(process.env.WORKERS); number += 1) cluster.fork();
} else {
  const ipx = createIPX({ storage: ipxFSStorage({ dir: process.env.FOLDER }) });
  createServer(createIPXNodeServer(ipx)).listen(Number(process.env.PORT), '127.0.0.1');
}
