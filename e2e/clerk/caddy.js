// Runs the caddy command to its end, or as a proxy until it is stopped.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../free-ports.mjs";

const executable = process.env.CADDY;
assert.ok(executable, "set CADDY to the path of a Caddy with the plugin");

const run = promisify(execFile);

// send returns the exit code and what was printed, parsed.
export async function send(secret, to, ...args) {
  const env = { ...process.env, CLERK_WEBHOOK_SIGNING_SECRET: secret };
  const result = await run(executable, ["clerk-webhook", "send", "--json", "--to", to, ...args], {
    env,
    maxBuffer: 1 << 24,
  }).catch((error) => error);
  const lines = result.stdout
    .trim()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  return {
    code: result.code ?? 0,
    deliveries: lines.filter((line) => !line.summary),
    summary: lines.find((line) => line.summary)?.summary,
    stderr: result.stderr,
  };
}

export async function newSecret() {
  return (await run(executable, ["clerk-webhook", "secret"])).stdout.trim();
}

export async function eventTypes() {
  return JSON.parse((await run(executable, ["clerk-webhook", "events", "--json"])).stdout);
}

// startProxy waits until the proxy says where it listens.
export async function startProxy(secret, backendPort) {
  const [port] = await freePorts(1);
  const home = mkdtempSync(join(tmpdir(), "e2e-clerk-")); // for what Caddy stores
  const child = spawn(
    executable,
    ["clerk-webhook", "proxy", "--from", `http://127.0.0.1:${port}`, "--to", `127.0.0.1:${backendPort}`],
    {
      env: {
        ...process.env,
        HOME: home,
        XDG_DATA_HOME: home,
        XDG_CONFIG_HOME: home,
        CLERK_WEBHOOK_SIGNING_SECRET: secret,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let log = "";
  child.stderr.on("data", (text) => (log += text));
  await new Promise((ready, failed) => {
    child.stdout.on("data", (text) => String(text).includes("Guarding") && ready());
    child.once("exit", (code) => failed(new Error(`the proxy ended with code ${code}:\n${log}`)));
  });
  return {
    port,
    // stop returns the exit code, also when it has been stopped before.
    async stop() {
      if (child.exitCode === null) {
        const ended = once(child, "exit");
        child.kill("SIGINT");
        await ended;
      }
      rmSync(home, { recursive: true, force: true });
      return child.exitCode;
    },
  };
}
