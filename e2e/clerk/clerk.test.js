// Clerk's own SDKs must accept every event that 'send' signs, through the guard
// and without it. They must refuse what --invalid spoils. The environment
// variable CADDY is the path of the Caddy to test.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as backends from "./backends.js";
import { eventTypes, newSecret, send, startProxy } from "./caddy.js";

const types = await eventTypes();
const secret = await newSecret();

// JSON encoders write these characters differently, and JavaScript has its own
// way.
const awkward = [
  "--set",
  'data.first_name=Zoë </script> & \u2028 "quoted" \\ 𝄞',
  "--set",
  'data.unsafe_metadata={"slash":"\\/","escaped":"\\u00e9\\ud834\\udd1e","half":"\\ud834","number":1.50e3,"small":1e-7,"zero":-0}',
];

// The answers to each way of --invalid.
const refusedByBackend = { signature: 400, timestamp: 400, "missing-header": 400, body: 400 };
const refusedByGuard = { signature: 403, timestamp: 403, "missing-header": 400, body: 403 };

function acceptsEverything(to) {
  test("it accepts every event", async (t) => {
    const all = await send(secret, to(), ...types);
    assert.equal(all.code, 0, all.stderr);
    assert.equal(all.summary.accepted, types.length);
    for (const type of types) {
      await t.test(type, () => {
        const [delivery] = all.deliveries.filter((d) => d.type === type);
        assert.equal(delivery?.status, 200, JSON.stringify(delivery));
        const verdict = JSON.parse(delivery.answer);
        assert.equal(verdict.type, type);
        assert.notEqual(verdict.unchanged, false, "JSON.stringify(JSON.parse(body)) differs from the body");
      });
    }
  });
  test("it accepts values that are written in many ways", async () => {
    const result = await send(secret, to(), "user.created", ...awkward);
    assert.equal(result.code, 0, JSON.stringify(result));
  });
}

function refusesTheInvalid(to, statuses) {
  for (const [kind, status] of Object.entries(statuses)) {
    test(`it refuses an invalid ${kind}`, async () => {
      const result = await send(secret, to(), "user.created", "--invalid", kind);
      assert.equal(result.code, 1);
      assert.equal(result.deliveries[0].status, status);
    });
  }
}

for (const name of backends.names) {
  describe(name, () => {
    let backend, proxy;
    before(async () => {
      backend = await backends.start(name, secret);
      proxy = await startProxy(secret, backend.port);
    });
    after(async () => {
      await proxy?.stop();
      await backend?.close();
    });

    describe("reached directly", () => {
      const endpoint = () => `http://127.0.0.1:${backend.port}${backends.path}`;
      acceptsEverything(endpoint);
      refusesTheInvalid(endpoint, refusedByBackend);
    });

    describe("behind the proxy", () => {
      const endpoint = () => `http://127.0.0.1:${proxy.port}${backends.path}`;
      acceptsEverything(endpoint);

      describe("what is invalid", () => {
        let requests;
        before(() => (requests = backend.requests()));
        refusesTheInvalid(endpoint, refusedByGuard);
        test("never reaches the backend", () => assert.equal(backend.requests(), requests));
      });
    });

    test("the proxy stops gracefully", async () => assert.equal(await proxy.stop(), 0));
  });
}
