// Three backends that verify with Clerk's own verifyWebhook. Each gets the body
// in the way of its framework:
//
//   express-raw   the bytes as they came, as Clerk's documentation shows it
//   express-json  parsed, and written again by verifyWebhook
//   fastify       parsed, and written again by verifyWebhook
//
// Each answers 200 with what it has verified, or 400.

import { once } from "node:events";
import express from "express";
import Fastify from "fastify";
import { verifyWebhook as verifyExpress } from "@clerk/express/webhooks";
import { verifyWebhook as verifyFastify } from "@clerk/fastify/webhooks";

export const path = "/api/webhooks";

const verdict = (event, body) => ({
  type: event.type,
  id: event.data.id,
  // undefined where the framework has kept no bytes to compare
  unchanged: Buffer.isBuffer(body) ? JSON.stringify(JSON.parse(body)) === body.toString() : undefined,
});

function expressApp(parser, signingSecret, counter) {
  const app = express();
  app.post(path, parser, async (req, res) => {
    counter.requests++;
    try {
      res.json(verdict(await verifyExpress(req, { signingSecret }), req.body));
    } catch (error) {
      res.status(400).send(error.message);
    }
  });
  return app;
}

async function listenExpress(parser, signingSecret, counter) {
  const server = expressApp(parser, signingSecret, counter).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    close: () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  };
}

async function listenFastify(signingSecret, counter) {
  const app = Fastify({ forceCloseConnections: true });
  app.post(path, async (req, reply) => {
    counter.requests++;
    try {
      return verdict(await verifyFastify(req, { signingSecret }));
    } catch (error) {
      return reply.code(400).send(error.message);
    }
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  return { port: app.server.address().port, close: () => app.close() };
}

const listeners = {
  "express-raw": (secret, counter) =>
    listenExpress(express.raw({ type: "application/json", limit: "1mb" }), secret, counter),
  "express-json": (secret, counter) => listenExpress(express.json({ limit: "1mb" }), secret, counter),
  fastify: listenFastify,
};

export const names = Object.keys(listeners);

// start returns a running backend: its port, its number of requests, and close.
export async function start(name, signingSecret) {
  const counter = { requests: 0 };
  const backend = await listeners[name](signingSecret, counter);
  return { ...backend, requests: () => counter.requests };
}
