import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";

// These ports are below the range that systems use for outgoing connections and
// for port 0 (Linux from 32768, others from 49152). Somebody else can take a
// port of that range between the check and its use.
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
