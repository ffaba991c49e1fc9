// The backend of the comparison: Express with Clerk's verifyWebhook, which reads
// the secret from CLERK_WEBHOOK_SIGNING_SECRET. It does nothing with an event
// and writes no log, so that its figures are those of verifying alone.

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

// By default Node closes a connection that has been idle for 5 seconds, which
// can meet a proxy that is just sending on it. Each subject waits for its turn
// longer than that.
server.keepAliveTimeout = 10 * 60 * 1000;
