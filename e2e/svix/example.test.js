// Runs a built Caddy with Caddyfile.example. Sends it deliveries with curl,
// signed by Svix's own package. The environment variable CADDY is the path of
// the Caddy to test.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import { Webhook } from "svix";
import { freePorts } from "../free-ports.mjs";

const example = resolve(import.meta.dirname, "../../Caddyfile.example");
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const otherSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const limit = 1 << 20;

// A backend that decodes and encodes the body again would change these bytes.
const body = Buffer.from('{ "data": {"id":"user_1","name":"Zo\\u00eb <& Søn>","big":1.0e2},\r\n "type":"user.created" }\n');

let directory, backend, caddy, url;
let received = [];

before(async () => {
  assert.ok(process.env.CADDY, "set CADDY to the path of a Caddy with the plugin");
  directory = await mkdtemp(join(tmpdir(), "e2e-svix-"));
  backend = await listen((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks) });
      response.writeHead(200).end("recorded\n");
    });
  });
  await startCaddy();
});

after(async () => {
  caddy?.kill();
  if (caddy && caddy.exitCode === null) await once(caddy, "exit");
  backend?.close();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(() => {
  received = [];
});

test("a genuine delivery reaches the backend byte for byte", async () => {
  const headers = sign(body);
  assert.deepEqual(await deliver(headers, body), { status: 200, answer: "recorded\n" });
  assert.equal(received.length, 1);
  assert.deepEqual(received[0].body, body);
  for (const [name, value] of Object.entries(headers)) {
    assert.equal(received[0].headers[name], value);
  }
});

test("a genuine chunked delivery reaches the backend with its length", async () => {
  assert.equal((await deliver(sign(body), body, "--header", "Transfer-Encoding: chunked")).status, 200);
  assert.deepEqual(received[0].body, body);
  assert.equal(received[0].headers["content-length"], String(body.length));
});

test("a body of exactly max_body reaches the backend", async () => {
  const large = filled(limit);
  assert.equal((await deliver(sign(large), large)).status, 200);
  assert.ok(received[0].body.equals(large));
});

test("a genuine delivery of an unwanted event is acknowledged", async () => {
  const unwanted = Buffer.from('{"data":{"id":"sess_1"},"type":"session.created"}');
  await refused(sign(unwanted), unwanted, 204);
});

test("a delivery signed with another secret is refused", () => refused(sign(body, { with: otherSecret }), body, 403));

test("a body that was changed after signing is refused", () =>
  refused(sign(body), Buffer.from(body.toString().replace("user_1", "user_2")), 403));

test("a delivery from ten minutes ago is refused", () =>
  refused(sign(body, { at: new Date(Date.now() - 600_000) }), body, 403));

test("a delivery from the future is refused", () =>
  refused(sign(body, { at: new Date(Date.now() + 600_000) }), body, 403));

test("a request without a signature is refused", () => refused({}, body, 400));

test("a body over max_body is refused", () => {
  const large = filled(limit + 1);
  return refused(sign(large), large, 413);
});

test("a chunked body over max_body is refused", () => {
  const large = filled(limit + 1);
  return refused(sign(large), large, 413, "--header", "Transfer-Encoding: chunked");
});

test("a body that drips is cut off at body_timeout", () => {
  const slow = filled(200 * 1024);
  return refused(sign(slow), slow, 408, "--limit-rate", "4k");
});

test("a GET is refused", async () => {
  const { status } = await curl("--request", "GET", ...headerFlags(sign(body)), url + "/api/webhooks");
  assert.equal(status, 405);
  assert.equal(received.length, 0);
});

/** refused asserts that a delivery is answered with status and gets no further. */
async function refused(headers, payload, status, ...flags) {
  assert.equal((await deliver(headers, payload, ...flags)).status, status);
  assert.equal(received.length, 0, "it reached the backend");
}

/** sign returns the headers that Svix's package makes for a body. */
function sign(payload, { with: key = secret, at = new Date() } = {}) {
  const id = "msg_" + Math.random().toString(36).slice(2);
  return {
    "svix-id": id,
    "svix-timestamp": String(Math.floor(at.getTime() / 1000)),
    "svix-signature": new Webhook(key).sign(id, at, payload.toString()),
  };
}

/** filled returns a JSON event of exactly so many bytes. */
function filled(size) {
  const frame = ['{"type":"user.updated","data":{"filling":"', '"}}'];
  return Buffer.from(frame.join("x".repeat(size - frame.join("").length)));
}

async function deliver(headers, payload, ...flags) {
  const file = join(directory, "body");
  await writeFile(file, payload);
  return curl(
    ...flags,
    ...headerFlags({ ...headers, "content-type": "application/json", expect: "" }),
    "--data-binary",
    "@" + file,
    url + "/api/webhooks",
  );
}

function headerFlags(headers) {
  return Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]);
}

/**
 * curl returns the status and the body of the answer. It sends again, as Svix does, if
 * the connection was closed while curl was still sending, and the answer was lost.
 */
async function curl(...flags) {
  const lost = 55;
  return curlOnce(...flags).catch((error) => (error.code === lost ? curlOnce(...flags) : Promise.reject(error)));
}

async function curlOnce(...flags) {
  const limits = ["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"];
  const { stdout } = await promisify(execFile)("curl", [...limits, ...flags]).catch((error) => {
    // The answer may come while curl is still sending. Only the answer counts.
    if (error.stdout && !error.stdout.endsWith("000")) return error;
    throw error;
  });
  const end = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(end + 1)), answer: stdout.slice(0, end) };
}

/** startCaddy runs the example as it is, but for its addresses. */
async function startCaddy() {
  const [site, users, organizations] = await freePorts(3);
  const config = replaceAll(await readFile(example, "utf8"), {
    "default_bind 127.0.0.1": "default_bind 127.0.0.1\n\tadmin off\n\tpersist_config off",
    "reverse_proxy 127.0.0.1:8081": `reverse_proxy 127.0.0.1:${backend.address().port}`,
    "reverse_proxy 127.0.0.1:8082": `reverse_proxy 127.0.0.1:${organizations}`,
    "\n:8080 {": `\n:${site} {`,
    "\n:8081 {": `\n:${users} {`,
    "\n:8082 {": `\n:${organizations} {`,
  });
  const file = join(directory, "Caddyfile");
  await writeFile(file, config);
  url = `http://127.0.0.1:${site}`;

  caddy = spawn(process.env.CADDY, ["run", "--config", file], {
    env: {
      ...process.env,
      CLERK_WEBHOOK_SIGNING_SECRET: secret,
      XDG_CONFIG_HOME: directory,
      XDG_DATA_HOME: directory,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const log = [];
  for await (const line of createInterface({ input: caddy.stderr })) {
    log.push(line);
    if (line.includes("serving initial configuration")) {
      caddy.stderr.resume();
      return;
    }
  }
  assert.fail("Caddy did not start:\n" + log.join("\n"));
}

function replaceAll(text, replacements) {
  for (const [from, to] of Object.entries(replacements)) {
    assert.ok(text.includes(from), `Caddyfile.example has no ${JSON.stringify(from)}`);
    text = text.replace(from, to);
  }
  return text;
}

async function listen(handler) {
  const server = createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
