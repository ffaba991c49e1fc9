// Checks what Docker would read against the files and programs that it names.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { caddy, example } from "./servers.js";

const read = (name) => readFileSync(join(example, name), "utf8");
const composeText = read("compose.yaml");
const secret = (await caddy(["clerk-webhook", "secret"])).trim();
const dotenv = {
  CLERK_WEBHOOK_SIGNING_SECRET: secret,
  CLERK_WEBHOOK_PREVIOUS_SECRET: "",
  POSTGRES_PASSWORD: "password",
};
const compose = parse(interpolate(composeText, dotenv), { merge: true });
const { services } = compose;

describe("compose.yaml", () => {
  test("takes from .env what .env.example lists", () => {
    const listed = [...read(".env.example").matchAll(/^(\w+)=/gm)].map((match) => match[1]);
    const used = [...composeText.matchAll(/\$\{(\w+)/g)].map((match) => match[1]);
    assert.deepEqual([...new Set(used)].sort(), listed.sort());
    assert.deepEqual(Object.keys(dotenv).sort(), listed.sort());
  });

  test("declares the volumes that services have", () => {
    const named = Object.values(services)
      .flatMap((service) => service.volumes ?? [])
      .map((v) => v.split(":")[0]);
    const volumes = named.filter((name) => !name.startsWith("."));
    assert.deepEqual(volumes.sort(), Object.keys(compose.volumes).sort());
    for (const path of named.filter((name) => name.startsWith("."))) assert.ok(existsSync(join(example, path)), path);
  });

  test("keeps what Caddy stores and what PostgreSQL stores", () => {
    const targets = (service) => service.volumes.map((volume) => volume.split(":").slice(0, 2).join(":"));
    assert.ok(targets(services.caddy).includes("caddy:/data"));
    assert.ok(targets(services.caddy).includes("./Caddyfile:/etc/caddy/Caddyfile"));
    assert.ok(targets(services.postgres).includes("postgres:/var/lib/postgresql/data"));
  });

  test("lets the application into the database", () => {
    const [client, server] = [services.app.environment, services.postgres.environment];
    assert.ok(client.PGHOST in services);
    assert.deepEqual(
      [client.PGUSER, client.PGPASSWORD, client.PGDATABASE],
      [server.POSTGRES_USER, server.POSTGRES_PASSWORD, server.POSTGRES_DB],
    );
    assert.equal(client.PGPASSWORD, dotenv.POSTGRES_PASSWORD);
  });

  test("gives no port to other machines", () => {
    for (const [name, service] of Object.entries(services)) {
      for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/, name);
    }
  });

  test("gives both programs one secret, or two", () => {
    for (const { environment } of [services.caddy, services.app]) {
      assert.equal(environment.CLERK_WEBHOOK_SIGNING_SECRET, secret);
      assert.equal(environment.CLERK_WEBHOOK_PREVIOUS_SECRET, secret);
    }
    const rotating = { ...dotenv, CLERK_WEBHOOK_PREVIOUS_SECRET: "whsec_old" };
    const other = parse(interpolate(composeText, rotating), { merge: true }).services;
    assert.equal(other.caddy.environment.CLERK_WEBHOOK_PREVIOUS_SECRET, "whsec_old");
    assert.equal(other.caddy.environment.CLERK_WEBHOOK_SIGNING_SECRET, secret);
  });
});

describe("the Caddyfile", () => {
  const run = (command, environment) => caddy([command, "--config", join(example, "Caddyfile")], environment);
  const adapted = (environment) => run("adapt", environment).then(JSON.parse);
  const values = (json, key) =>
    [...JSON.stringify(json).matchAll(new RegExp(`"${key}":\\[?"([^"]+)"`, "g"))].map((m) => m[1]);

  test("is valid with the environment that compose.yaml gives", () => run("validate", services.caddy.environment));

  test("is given every variable that has no default", () => {
    const variables = [...read("Caddyfile").matchAll(/\{(?:env\.(\w+)|\$(\w+))\}/g)].map(
      (match) => match[1] ?? match[2],
    );
    assert.ok(variables.length > 0);
    for (const name of variables) assert.ok(services.caddy.environment[name], name);
  });

  test("listens where compose.yaml leads", async () => {
    const ports = services.caddy.ports.map((port) => "0.0.0.0:" + port.split(":").at(-1));
    assert.deepEqual(values(await adapted(services.caddy.environment), "listen").sort(), ports.sort());
  });

  test("proxies to the application's port, in containers and at the desk", async () => {
    const { BIND, PORT } = defaultsOf(read("app/server.js"));
    assert.ok("app" in services && !("PORT" in services.app.environment));
    assert.deepEqual(values(await adapted(services.caddy.environment), "dial"), [`app:${PORT}`]);
    assert.deepEqual(values(await adapted({}), "dial"), [`${BIND}:${PORT}`]);
  });

  test("listens at the desk for this machine only", async () => {
    const listens = values(await adapted({}), "listen");
    assert.equal(listens.length, 2);
    for (const address of listens) assert.match(address, /^127\.0\.0\.1:/);
  });
});

describe("the Dockerfiles", () => {
  const files = { caddy: "Dockerfile", app: "app/Dockerfile" };
  const root = resolve(example, "../..");

  for (const [name, file] of Object.entries(files)) {
    const { build } = services[name];
    const context = resolve(example, build.context ?? build);
    const lines = read(file).split("\n");

    test(`${file} is the one that compose.yaml builds`, () => {
      assert.equal(resolve(context, build.dockerfile ?? "Dockerfile"), join(example, file));
    });

    test(`${file} copies what is there`, () => {
      const copies = lines
        .filter((line) => /^COPY (?!--from)/.test(line))
        .map((line) => line.split(/\s+/).slice(1, -1));
      assert.ok(copies.length > 0);
      for (const source of copies.flat()) assert.notDeepEqual(matching(context, source), [], source);
    });
  }

  test("the Go files and the packages of the plugin are in the build", () => {
    const copied = read("Dockerfile")
      .match(/^COPY (?!--from).*$/gm)
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    assert.deepEqual(copied, ["go.mod", "go.sum", "*.go", "internal", "stores"]);
    const imports = matching(root, "*.go").flatMap((name) => [
      ...readFileSync(join(root, name), "utf8").matchAll(/"github\.com\/caddyclerk\/caddy-clerk-webhook\/([^/"]+)/g),
    ]);
    assert.deepEqual([...new Set(imports.map((match) => match[1]))].sort(), ["internal", "stores"]);
  });

  test("Caddy is of the version in go.mod, everywhere", () => {
    const [, version] = readFileSync(join(root, "go.mod"), "utf8").match(/caddyserver\/caddy\/v2 v(\S+)/);
    const versions = [...read("Dockerfile").matchAll(/(?:^FROM caddy:|xcaddy build v)(\d+\.\d+\.\d+)/gm)].map(
      (m) => m[1],
    );
    assert.deepEqual(versions, [version, version, version]);
  });

  test("the application's image has every module that it imports, and a port to reach", () => {
    const text = read("app/Dockerfile");
    const modules = matching(join(example, "app"), "*.js");
    assert.ok(modules.length > 0);
    for (const name of modules) assert.match(text, new RegExp(`COPY.* ${name.replace(".", "\\.")} `), name);
    assert.match(text, /BIND=0\.0\.0\.0/);
    assert.match(text, /^CMD \["node", "server\.js"\]$/m);
  });
});

/** interpolate replaces ${NAME} and ${NAME:-other} as docker compose does. */
function interpolate(text, env) {
  const innermost = /\$\{(\w+)(?::-([^${}]*))?\}/g;
  const replaced = text.replace(innermost, (_, name, other = "") => env[name] || other);
  return replaced === text ? text : interpolate(replaced, env);
}

/** defaultsOf reads the defaults of the variables that a program destructures. */
function defaultsOf(text) {
  return Object.fromEntries([...text.matchAll(/(\w+) = "([^"]*)"/g)].map((match) => [match[1], match[2]]));
}

/** matching returns the files that a pattern of COPY, a name or *.ending, takes. */
function matching(folder, pattern) {
  return readdirSync(folder).filter((name) =>
    pattern[0] === "*" ? name.endsWith(pattern.slice(1)) : name === pattern,
  );
}
