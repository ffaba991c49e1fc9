// Sends deliveries in any order and many at once, with copies and forgeries
// among them, while servers stop and start. Sends again what is not accepted,
// as Svix does.

import assert from "node:assert/strict";
import { waysToForge } from "./sender.js";

const concurrency = 32;
const longest = 90_000; // milliseconds

export class Storm {
  messages = []; // genuine and wanted messages
  tally = new Tally();
  #attempts = [];
  #random;
  #sender;
  #accidents;

  constructor(random, sender, servers) {
    this.#random = random;
    this.#sender = sender;
    this.#accidents = accidents(servers);
  }

  /** add sends a message one to three times. */
  add({ svixId, body }) {
    const message = { svixId, body, secret: this.#random.of(["current", "current", "previous"]) };
    this.messages.push(message);
    for (let copies = this.#random.below(3); copies >= 0; copies--) {
      this.#attempts.push({ kind: "genuine", message, hangsUp: this.#random.chance(0.05) });
    }
  }

  /** addForgeries sends forgeries, half of them with the id of a genuine message. */
  addForgeries(count, body) {
    for (let i = 0; i < count; i++) {
      const svixId = this.#random.chance(0.5) ? this.#random.of(this.messages).svixId : this.#random.id("msg");
      this.#attempts.push({
        kind: "forged",
        way: waysToForge[i % waysToForge.length],
        message: { svixId, body: body() },
      });
    }
  }

  addUnwanted(count, body) {
    for (let i = 0; i < count; i++) {
      this.#attempts.push({ kind: "unwanted", message: { svixId: this.#random.id("msg"), body: body() } });
    }
  }

  /** rage ends when every message has its final answer. */
  async rage() {
    let pending = this.#attempts;
    const start = performance.now();
    for (let round = 0; pending.length > 0; round++) {
      assert.ok(performance.now() - start < longest, `${pending.length} deliveries are not settled: ${this.tally}`);
      pending = await this.#sendAll(this.#random.shuffled(pending), this.#accidents[round] ?? []);
    }
  }

  /** sendAll returns the attempts to repeat. */
  async #sendAll(attempts, accidents) {
    const again = [];
    const due = accidents.map(({ after, ...accident }) => ({ ...accident, at: Math.floor(after * attempts.length) }));
    let next = 0;
    let happened = Promise.resolve(); // one accident after the other
    let paused;
    const send = async () => {
      while (next < attempts.length) {
        const attempt = attempts[next++];
        while (due.length > 0 && due[0].at < next) {
          const { what, pause } = due.shift();
          happened = happened.then(what);
          if (pause) paused = happened;
        }
        await paused;
        if (!(await this.#settle(attempt))) again.push(attempt);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, send));
    await happened;
    return again;
  }

  /** settle reports whether an attempt got the right answer. */
  async #settle(attempt) {
    const { status, text } = await this.#make(attempt);
    this.tally.note(`${attempt.kind} ${status}`);
    if (status === 0) return false; // no answer
    switch (attempt.kind) {
      case "forged":
        assert.ok(status === 400 || status === 403, `a forgery (${attempt.way}) was answered with ${status}: ${text}`);
        return true;
      case "unwanted":
        assert.equal(status, 204, text);
        return true;
    }
    assert.notEqual(status, 502, "Caddy did not reach the application, which should have been there all the time");
    return status >= 200 && status <= 299;
  }

  #make(attempt) {
    const { message } = attempt;
    if (attempt.kind === "forged") return this.#sender.forge(attempt.way, message);
    if (attempt.hangsUp) {
      attempt.hangsUp = false; // only once
      return this.#sender.deliver(message, { signal: AbortSignal.timeout(1 + this.#random.below(20)) });
    }
    return this.#sender.deliver(message);
  }
}

/**
 * accidents returns what happens in each round, and after which share of it. A
 * server stops while the traffic continues. The round waits for its restart,
 * because Svix's next attempt would come even later.
 */
function accidents({ postgres, guard }) {
  return [
    [
      { after: 0.2, what: () => postgres.stop("immediate") },
      { after: 0.3, what: () => postgres.start(), pause: true },
      { after: 0.5, what: () => guard.stop() },
      { after: 0.55, what: () => guard.start(), pause: true },
      { after: 0.7, what: () => postgres.stop("fast") },
      { after: 0.8, what: () => postgres.start(), pause: true },
    ],
    [
      { after: 0.3, what: () => postgres.stop("fast") },
      { after: 0.6, what: () => postgres.start(), pause: true },
    ],
  ];
}

class Tally {
  #counts = new Map();
  note(what) {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
  has(what) {
    return this.#counts.has(what);
  }
  toString() {
    return [...this.#counts]
      .sort()
      .map(([what, count]) => `${what}: ${count}`)
      .join(", ");
  }
}
