// The real servers of the example, which the tests start and stop. ./run sets
// their environment.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import pg from "pg";

export const example = resolve(import.meta.dirname, "../../examples/user-sync");
const { CADDY, PG_BIN, PG_DIRECTORY } = process.env;
assert.ok(CADDY && PG_BIN && PG_DIRECTORY, "start the tests with ./run");

/** caddy runs a command of Caddy to its end and returns what it prints. */
export async function caddy(args, env = {}) {
  return (await promisify(execFile)(CADDY, args, { env: { ...process.env, ...env }, maxBuffer: 1 << 24 })).stdout;
}

/** Server is a process that prints a line when it is ready. */
export class Server {
  #command;
  #ready;
  #process;
  log = [];

  constructor(command, { env, ready, cwd }) {
    this.#command = [command[0], command.slice(1), { env: { ...process.env, ...env }, cwd }];
    this.#ready = ready;
  }

  async start() {
    this.#process = spawn(...this.#command);
    await new Promise((ready, failed) => {
      for (const stream of [this.#process.stdout, this.#process.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          this.log.push(line);
          if (line.includes(this.#ready)) ready();
        });
      }
      this.#process.once("exit", (code) => failed(new Error(`it ended with ${code}:\n${this.log.join("\n")}`)));
    });
  }

  get running() {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  /** stop returns the exit code, which is null if the process had to be killed. */
  async stop() {
    if (this.running) {
      const ended = once(this.#process, "exit");
      this.#process.kill("SIGTERM");
      const patience = setTimeout(() => this.#process.kill("SIGKILL"), 30_000);
      await ended;
      clearTimeout(patience);
    }
    return this.#process?.exitCode;
  }
}

/** Postgres is the cluster that ./run has made. */
export class Postgres {
  env = { PGHOST: PG_DIRECTORY, PGUSER: "app", PGDATABASE: "postgres" };
  #data = join(PG_DIRECTORY, "db");

  async start() {
    await this.#control("start", "-l", join(PG_DIRECTORY, "log"), "-o", `-c listen_addresses= -k ${PG_DIRECTORY}`);
  }

  /** stop ends it with "fast", which closes connections, or "immediate", which is a crash. */
  async stop(mode) {
    await this.#control("stop", "-m", mode);
  }

  /** silence pauses its processes: it accepts connections but answers nothing. The returned function ends this. */
  async silence() {
    const rows = await this.query("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
    const postmaster = Number(readFileSync(join(this.#data, "postmaster.pid"), "utf8").split("\n")[0]);
    const pids = [postmaster, ...rows.map((row) => row.pid)];
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    return () => pids.forEach((pid) => process.kill(pid, "SIGCONT"));
  }

  /** connect returns a connection for the test. */
  async connect() {
    const client = new pg.Client({ host: this.env.PGHOST, user: this.env.PGUSER, database: this.env.PGDATABASE });
    await client.connect();
    return client;
  }

  async query(text) {
    const client = await this.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  async #control(...args) {
    const { uid, gid } = statSync(this.#data); // it refuses to run as root
    const child = spawn(join(PG_BIN, "pg_ctl"), ["-D", this.#data, "-w", ...args], { uid, gid, stdio: "ignore" });
    const [code] = await once(child, "exit");
    assert.equal(code, 0, `pg_ctl ${args[0]} failed`);
  }
}
