// The backend of the comparison is Express with Clerk's verifyWebhook, which
// reads the secret from CLERK_WEBHOOK_SIGNING_SECRET. It ignores the event and
// writes no log, so that its figures show only the cost of verifying.

import express from "express";
import { verifyWebhook } from "@clerk/express/webhooks";

const app = express();

app.post("/webhook", express.raw({ type: "application/json", limit: "1mb" }), async (req, res) => {
  try {
    await verifyWebhook(req);
    res.status(200).send("Webhook received");
  } catch {
    res.status(400).send("Error verifying webhook");
  }
});

const server = app.listen(0, "127.0.0.1", () => {
  console.log(`app listens on 127.0.0.1:${server.address().port}`);
});

// By default, Node closes a connection after 5 idle seconds. A proxy may be
// sending on it at that moment. Each subject waits longer than that for its
// turn.
server.keepAliveTimeout = 10 * 60 * 1000;
