// Runs the endpoint until a signal stops it.

import { Users } from "./users.js";
import { createApp } from "./webhooks.js";

const { CLERK_WEBHOOK_SIGNING_SECRET, CLERK_WEBHOOK_PREVIOUS_SECRET, BIND = "127.0.0.1", PORT = "3000" } = process.env;

const signingSecrets = [CLERK_WEBHOOK_SIGNING_SECRET, CLERK_WEBHOOK_PREVIOUS_SECRET].filter(Boolean);
if (signingSecrets.length === 0) {
  throw new Error("CLERK_WEBHOOK_SIGNING_SECRET is not set");
}

const users = new Users();
const server = createApp(users, signingSecrets).listen(Number(PORT), BIND, (error) => {
  if (error) throw error;
  console.log(`listening on ${BIND}:${PORT}`);
});
// Caddy keeps its connections open for two minutes. If this server closed them
// earlier, it would sometimes close one while a delivery is on its way.
server.keepAliveTimeout = 150_000;

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => server.close(() => users.close()));
}
