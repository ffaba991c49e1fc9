// The endpoint to which Clerk sends its webhooks.

import { verifyWebhook } from "@clerk/express/webhooks";
import express from "express";

// createApp returns an application that answers 2xx only after it has stored the
// event. After any other answer, Svix sends the event again.
export function createApp(users, signingSecrets) {
  const app = express();
  app.disable("x-powered-by");

  app.post("/api/webhooks", express.raw({ type: "application/json", limit: "1mb" }), async (req, res) => {
    const event = await verify(req, signingSecrets);
    if (!event) {
      res.status(400).send("not a genuine delivery\n");
      return;
    }
    try {
      await store(event, users);
    } catch (error) {
      // Log only the code: the database's message can contain personal data.
      console.error(`${event.svixId} was not stored:`, error.code ?? error.message);
      res.status(503).send("not stored, send it again\n");
      return;
    }
    res.sendStatus(204);
  });
  return app;
}

// verify returns the event if one of the secrets has signed it.
async function verify(req, signingSecrets) {
  for (const signingSecret of signingSecrets) {
    try {
      const { type, data } = await verifyWebhook(req, { signingSecret });
      // verifyWebhook does not return when the event happened.
      const { timestamp } = JSON.parse(req.body);
      return { type, data, timestamp, svixId: req.get("svix-id") };
    } catch {
      // try the next secret
    }
  }
}

async function store(event, users) {
  switch (event.type) {
    case "user.created":
    case "user.updated":
      return users.upsert(event);
    case "user.deleted":
      return users.erase(event);
  }
}
