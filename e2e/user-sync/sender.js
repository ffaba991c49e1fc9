// Sends genuine deliveries as Svix does, and forgeries.

import { Webhook } from "svix";

const patience = 15_000; // Svix's, in milliseconds

export class Sender {
  #url;
  #signing = new Map();

  /** secrets: { current, previous, strange }; a message says which of them signs it. */
  constructor(url, secrets) {
    this.#url = url;
    for (const [name, secret] of Object.entries(secrets)) this.#signing.set(name, new Webhook(secret));
  }

  headers({ svixId, body, secret = "current" }, at = new Date()) {
    return {
      "svix-id": svixId,
      "svix-timestamp": String(Math.floor(at / 1000)),
      "svix-signature": this.#signing.get(secret).sign(svixId, at, body),
      "content-type": "application/json",
    };
  }

  /** deliver returns the status and the text of the answer. Without an answer, the status is 0. */
  async deliver(message, { url = this.#url, headers = this.headers(message), signal } = {}) {
    try {
      signal ??= AbortSignal.timeout(patience);
      const response = await fetch(url, { method: "POST", headers, body: message.body, signal });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      return { status: 0, text: String(error.cause ?? error) };
    }
  }

  /** forge sends a forgery, in one of a few ways. */
  async forge(kind, message, options = {}) {
    return this.deliver(message, { ...options, ...forgeries[kind](this, message) });
  }
}

const forgeries = {
  "another secret": (sender, message) => ({ headers: sender.headers({ ...message, secret: "strange" }) }),
  "another body": (sender, message) => ({
    headers: sender.headers({ ...message, body: message.body.replace("{", "{ ") }),
  }),
  "an old time": (sender, message) => ({ headers: sender.headers(message, new Date(Date.now() - 600_000)) }),
  "no signature": (sender, message) => {
    const { "svix-signature": _, ...headers } = sender.headers(message);
    return { headers };
  },
};

export const waysToForge = Object.keys(forgeries);
