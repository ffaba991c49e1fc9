// The lives of users: the events that Clerk sends about them, and the expected
// rows in the end. This file invents each life, so it knows the expected row.
// It does not compare times as the application does.

import { caddy } from "./servers.js";

const examples = Object.fromEntries(
  await Promise.all(
    ["user.created", "user.updated", "user.deleted", "session.created"].map(async (type) => [
      type,
      JSON.parse(await caddy(["clerk-webhook", "events", type])),
    ]),
  ),
);

const birth = Date.UTC(2026, 2, 1);
const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"; // of Clerk's and Svix's ids
const names = ["Nadia", "Zoë", "Søren", "李", "O'Hara", '"; DROP TABLE user_records; --', "🦫"];

/** Random generates the same numbers for the same seed (mulberry32). */
export class Random {
  #state;
  constructor(seed) {
    this.#state = seed;
  }
  next() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(n) {
    return Math.floor(this.next() * n);
  }
  chance(p) {
    return this.next() < p;
  }
  of(list) {
    return list[this.below(list.length)];
  }
  id(prefix) {
    return `${prefix}_` + Array.from({ length: 27 }, () => this.of(letters)).join("");
  }
  shuffled(list) {
    const result = [...list];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  }
}

/**
 * live returns the messages of a life, { svixId, body }, in their true order,
 * and the row that is left of it, without its empty columns.
 */
export function live(random, { id = random.id("user"), updates = random.below(6), deleted = random.chance(0.3) } = {}) {
  const updatedAt = birth + random.below(1000);
  let moment = { updatedAt, timestamp: updatedAt + 20, tied: false };
  let state = someState(random, id);
  const messages = [message(random, stateEvent("user.created", state, moment))];
  for (let i = 0; i < updates; i++) {
    moment = later(random, moment);
    state = someState(random, id);
    messages.push(message(random, stateEvent("user.updated", state, moment)));
    if (moment.tied) sortIds(messages.at(-2), messages.at(-1));
  }
  if (deleted) {
    messages.push(message(random, deletion(id, moment.timestamp + 1)));
    return { messages, row: { id, deleted: true } };
  }
  const { updatedAt: updated_at, timestamp: event_at } = moment;
  return { messages, row: { ...state, updated_at, event_at, svix_id: messages.at(-1).svixId, deleted: false } };
}

function message(random, body) {
  return { svixId: random.id("msg"), body };
}

/** later returns the moment of an update after another, also of those that are hard to tell apart. */
function later(random, { updatedAt, timestamp, tied }) {
  const kind = random.below(10);
  if (kind < 4) return { updatedAt: updatedAt + 1 + random.below(5000), timestamp: timestamp + 5001, tied: false };
  if (kind < 6) return { updatedAt: updatedAt + 1, timestamp: timestamp - 1, tied: false }; // an event with an earlier timestamp
  if (kind < 8 || tied) return { updatedAt, timestamp: timestamp + 1, tied: false };
  return { updatedAt, timestamp, tied: true }; // the id decides
}

function sortIds(a, b) {
  if (a.svixId > b.svixId) [a.svixId, b.svixId] = [b.svixId, a.svixId];
}

/** someState leaves out what a user does not have. */
function someState(random, id) {
  const state = { id };
  if (random.chance(0.9)) state.email = `${random.id("mail")}@example.com`;
  if (random.chance(0.9)) state.first_name = random.of(names);
  if (random.chance(0.9)) state.last_name = random.of(names);
  return state;
}

function stateEvent(type, { id, email, first_name = null, last_name = null }, { updatedAt, timestamp }) {
  const event = structuredClone(examples[type]);
  const [address] = event.data.email_addresses;
  Object.assign(event.data, {
    id,
    first_name,
    last_name,
    email_addresses: [{ ...address, id: "idn_other", email_address: "other@example.com" }],
    primary_email_address_id: null,
    updated_at: updatedAt,
  });
  if (email) {
    event.data.email_addresses.push({ ...address, id: "idn_primary", email_address: email });
    event.data.primary_email_address_id = "idn_primary";
  }
  return JSON.stringify({ ...event, timestamp });
}

function deletion(id, timestamp) {
  const event = structuredClone(examples["user.deleted"]);
  event.data.id = id;
  return JSON.stringify({ ...event, timestamp });
}

export function unwanted(id) {
  const event = structuredClone(examples["session.created"]);
  event.data.user_id = id;
  return JSON.stringify(event);
}

/** lie returns the body of an event that must change nothing, newer than everything. */
export function lie(random, userIds) {
  const id = random.chance(0.2) ? random.id("user") : random.of(userIds);
  if (random.chance(0.3)) return deletion(id, Date.now());
  const row = { id, email: "forged@example.com", first_name: "Forged", last_name: "Forged" };
  return stateEvent(random.of(["user.created", "user.updated"]), row, { updatedAt: Date.now(), timestamp: Date.now() });
}
