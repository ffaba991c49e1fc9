import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";

// Ports below those that systems give to outgoing connections and to whoever
// listens on port 0 (Linux from 32768, others from 49152): such a port can be
// taken again between being found and being used.
const FIRST_PORT = 10_000;
const PORTS = 20_000;

/** freePorts finds ports on which nothing listens on 127.0.0.1, all different. */
export async function freePorts(count) {
  const found = new Set();
  for (let tries = 0; found.size < count; tries++) {
    assert.ok(tries < PORTS, "no free ports");
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await isFree(port)) found.add(port);
  }
  return [...found];
}

async function isFree(port) {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
