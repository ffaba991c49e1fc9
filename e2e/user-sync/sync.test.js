// Events reach the example late, twice, at once, out of order and forged, while
// its servers stop and start. In the end, the table must be correct.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freePorts } from "../free-ports.mjs";
import { Random, lie, live, unwanted } from "./lives.js";
import { Sender, waysToForge } from "./sender.js";
import { Postgres, Server, caddy, example } from "./servers.js";
import { Storm } from "./storm.js";

const seed = Number(process.env.SEED || Date.now() % 1e9);
const random = new Random(seed);

const secrets = {};
for (const name of ["current", "previous", "strange"]) {
  secrets[name] = (await caddy(["clerk-webhook", "secret"])).trim();
}
const signing = { CLERK_WEBHOOK_SIGNING_SECRET: secrets.current, CLERK_WEBHOOK_PREVIOUS_SECRET: secrets.previous };
const [appPort, sitePort, metricsPort] = await freePorts(3);

const postgres = new Postgres();
const app = new Server([process.execPath, "server.js"], {
  cwd: `${example}/app`,
  env: { ...postgres.env, ...signing, PORT: appPort },
  ready: "listening on",
});
const guard = new Server([process.env.CADDY, "run", "--config", `${example}/Caddyfile`], {
  env: { ...signing, SITE_ADDRESS: `:${sitePort}`, METRICS_PORT: metricsPort, APP: `127.0.0.1:${appPort}` },
  ready: "serving initial configuration",
});
const sender = new Sender(`http://127.0.0.1:${sitePort}/api/webhooks`, secrets);

const stored = []; // messages

before(() => Promise.all([app.start(), guard.start()]));
after(() => Promise.all([app.stop(), guard.stop()]));

test("without its database the application answers 503, and then catches up", async () => {
  const { messages, row } = birth();
  assert.equal((await sender.deliver(messages[0])).status, 503);
  await postgres.start();
  assert.equal((await sender.deliver(messages[0])).status, 204);
  assert.deepEqual(await rowsOf([row.id]), [row]);
});

test(`300 lives end as they were lived, whatever happens meanwhile (SEED=${seed})`, async (t) => {
  const lives = Array.from({ length: 300 }, () => live(random));
  const ids = lives.map((life) => life.row.id);
  const before = await rows();

  const storm = new Storm(random, sender, { postgres, guard });
  for (const message of lives.flatMap((life) => life.messages)) storm.add(message);
  storm.addForgeries(300, () => lie(random, ids));
  storm.addUnwanted(50, () => unwanted(random.of(ids)));
  await storm.rage();
  t.diagnostic(`${storm.tally}`);

  assert.deepEqual(await rows(), byId([...before, ...lives.map((life) => life.row)]));
  for (const sign of [
    "genuine 204",
    "genuine 200",
    "genuine 503",
    "genuine 0",
    "forged 403",
    "forged 400",
    "unwanted 204",
  ]) {
    assert.ok(storm.tally.has(sign), `this has not happened: ${sign}`);
  }
  stored.push(...storm.messages);
});

test("the view shows those who are not deleted", async () => {
  const shown = await postgres.query('SELECT id FROM users ORDER BY id COLLATE "C"');
  const alive = (await rows()).filter((row) => !row.deleted);
  assert.deepEqual(
    shown.map((row) => row.id),
    alive.map((row) => row.id),
  );
});

test("a copy of what was stored goes no further, also after a restart of Caddy", async () => {
  await guard.stop();
  await guard.start();
  for (const message of random.shuffled(stored).slice(0, 50)) {
    assert.equal((await sender.deliver(message)).status, 200);
  }
  assert.equal(await count("deliveries_total", 'outcome="duplicate"', 'reason="done"'), 50);
  assert.equal(await count("deliveries_total", 'outcome="forwarded"'), 0);
});

test("a sender that hangs up is no reason to do it twice", async () => {
  const { messages, row } = birth();
  const forwarded = await count("deliveries_total", 'outcome="forwarded"');
  const hangUp = new AbortController();
  const unlock = await lockTable();
  const answer = sender.deliver(messages[0], { signal: hangUp.signal });
  await waitingForLock();
  hangUp.abort();
  assert.equal((await answer).status, 0);
  await unlock();

  let copy;
  do copy = await sender.deliver(messages[0]);
  while (copy.status === 409); // in progress
  assert.equal(copy.status, 200);
  assert.deepEqual(await rowsOf([row.id]), [row]);
  assert.equal(await count("deliveries_total", 'outcome="forwarded"'), forwarded + 1);
});

test("a database that is locked is answered for in time", async () => {
  const { messages, row } = birth();
  const unlock = await lockTable();
  assert.equal((await sender.deliver(messages[0])).status, 503);
  await unlock();
  assert.equal((await sender.deliver(messages[0])).status, 204);
  assert.deepEqual(await rowsOf([row.id]), [row]);
});

test("a database that says nothing is answered for in time", async () => {
  const { messages, row } = birth();
  const resume = await postgres.silence();
  try {
    assert.equal((await sender.deliver(messages[0])).status, 503); // over an open connection
    assert.equal((await sender.deliver(messages[0])).status, 503); // over a connection that cannot be opened
  } finally {
    resume();
  }
  assert.equal((await sender.deliver(messages[0])).status, 204);
  assert.deepEqual(await rowsOf([row.id]), [row]);
});

for (const way of waysToForge) {
  test(`Caddy refuses ${way}, and so would the application`, async () => {
    const { messages, row } = birth();
    const forwarded = await count("deliveries_total", 'outcome="forwarded"');
    assert.equal((await sender.forge(way, messages[0])).status, way === "no signature" ? 400 : 403);
    assert.equal(await count("deliveries_total", 'outcome="forwarded"'), forwarded);

    const url = `http://127.0.0.1:${appPort}/api/webhooks`;
    assert.equal((await sender.forge(way, messages[0], { url })).status, 400);
    assert.deepEqual(await rowsOf([row.id]), []);
  });
}

test("an event that is not about users goes no further", async () => {
  const forwarded = await count("deliveries_total", 'outcome="forwarded"');
  const filtered = await count("deliveries_total", 'outcome="filtered"');
  assert.equal((await sender.deliver({ svixId: "msg_session", body: unwanted("user_1") })).status, 204);
  assert.equal(await count("deliveries_total", 'outcome="filtered"'), filtered + 1);
  assert.equal(await count("deliveries_total", 'outcome="forwarded"'), forwarded);
});

test("the metrics tell when the previous secret was last used", async () => {
  const [message] = birth().messages;
  const verified = await count("verified_total", 'secret="users/2"');
  assert.equal((await sender.deliver({ ...message, secret: "previous" })).status, 204);
  assert.equal(await count("verified_total", 'secret="users/2"'), verified + 1);
  assert.ok((await count("secret_last_used_timestamp_seconds", 'secret="users/2"')) > 0);
});

test("an event that two endpoints send during a rotation is forwarded once", async () => {
  const [message] = birth().messages;
  const forwarded = await count("deliveries_total", 'outcome="forwarded"');
  assert.equal((await sender.deliver({ ...message, secret: "previous" })).status, 204);
  assert.equal((await sender.deliver({ ...message, secret: "current" })).status, 200); // a duplicate
  assert.equal(await count("deliveries_total", 'outcome="forwarded"'), forwarded + 1);
});

test("the application has run all the time, and ends when it is told to", async () => {
  assert.ok(app.running);
  assert.equal(await app.stop(), 0);
});

test("the logs hold neither secrets nor personal data", () => {
  const log = [...app.log, ...guard.log].join("\n");
  assert.match(log, /was not stored/);
  assert.doesNotMatch(log, /whsec_|@example\.com/);
});

/** birth is the shortest life. */
function birth() {
  return live(random, { updates: 0, deleted: false });
}

function byId(list) {
  return list.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** rows returns the whole table, without empty columns. */
async function rows() {
  const result = await postgres.query(`
    SELECT jsonb_strip_nulls(to_jsonb(r) - 'deleted_at') || jsonb_build_object('deleted', deleted_at IS NOT NULL) AS row
    FROM user_records r ORDER BY id COLLATE "C"`);
  return result.map(({ row }) => row);
}

async function rowsOf(ids) {
  return (await rows()).filter((row) => ids.includes(row.id));
}

/** lockTable returns a function that unlocks it. */
async function lockTable() {
  const client = await postgres.connect();
  await client.query("BEGIN; LOCK TABLE user_records");
  return () => client.end();
}

async function waitingForLock() {
  const waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
  while ((await postgres.query(waiting)).length === 0);
}

/** count adds up the values of a guard's metric with these labels. */
async function count(name, ...labels) {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(`caddy_clerk_webhook_${name}{`));
  assert.ok(lines.length > 0, `there is no metric ${name}`);
  return lines
    .filter((line) => labels.every((label) => line.includes(label)) && line.includes('endpoint="users"'))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
