// Stores Clerk's users in PostgreSQL. Events may arrive in any order and any
// number of times. The same events always leave the same rows.

import pg from "pg";

// Read users from the view. The table also keeps the ids of deleted users, so
// that a late update cannot bring one back. updated_at and event_at are
// milliseconds since 1970, as Clerk sends them. The email is not unique: while
// events are out of order, two users may have the same one.
const schema = `
CREATE TABLE IF NOT EXISTS user_records (
  id          text PRIMARY KEY,
  email       text,
  first_name  text,
  last_name   text,
  updated_at  bigint,
  event_at    bigint,
  svix_id     text COLLATE "C",
  deleted_at  timestamptz,
  CHECK (deleted_at IS NOT NULL OR num_nulls(updated_at, event_at, svix_id) = 0)
);
CREATE OR REPLACE VIEW users AS
  SELECT id, email, first_name, last_name, updated_at FROM user_records WHERE deleted_at IS NULL;
`;

// A row is never replaced with an older one.
const upsert = `
INSERT INTO user_records (id, email, first_name, last_name, updated_at, event_at, svix_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE SET
  email = excluded.email, first_name = excluded.first_name, last_name = excluded.last_name,
  updated_at = excluded.updated_at, event_at = excluded.event_at, svix_id = excluded.svix_id
WHERE user_records.deleted_at IS NULL
  AND (user_records.updated_at, user_records.event_at, user_records.svix_id)
    < (excluded.updated_at, excluded.event_at, excluded.svix_id)
`;

// Clerk never gives an id to another user, so a deletion is final.
const erase = `
INSERT INTO user_records (id, deleted_at) VALUES ($1, now())
ON CONFLICT (id) DO UPDATE SET
  email = NULL, first_name = NULL, last_name = NULL,
  updated_at = NULL, event_at = NULL, svix_id = NULL, deleted_at = excluded.deleted_at
WHERE user_records.deleted_at IS NULL
`;

export class Users {
  #tables; // a promise that creates the tables
  #pool;

  // pg reads the database's address from PGHOST, PGUSER and so on. Svix waits 15
  // seconds for an answer. The first event also creates the tables, so it needs
  // up to two connections (2 seconds each) and two statements (5 seconds each).
  // That is less than 15 seconds.
  constructor() {
    this.#pool = new pg.Pool({
      connectionTimeoutMillis: 2000,
      statement_timeout: 4000,
      query_timeout: 5000,
    });
    // The pool replaces a lost idle connection when it needs one. Without a
    // listener, the error would end the process.
    this.#pool.on("error", (error) => console.error("a database connection was lost:", error.code ?? error.message));
  }

  async upsert({ data, timestamp, svixId }) {
    await this.#query(upsert, [
      data.id,
      primaryEmail(data),
      data.first_name,
      data.last_name,
      data.updated_at,
      timestamp,
      svixId,
    ]);
  }

  async erase({ data }) {
    await this.#query(erase, [data.id]);
  }

  async close() {
    await this.#pool.end();
  }

  async #query(statement, values) {
    // If the database is unavailable now, the next event creates the tables.
    this.#tables ??= this.#pool.query(schema).catch((error) => {
      this.#tables = undefined;
      throw error;
    });
    await this.#tables;
    await this.#pool.query(statement, values);
  }
}

function primaryEmail(user) {
  return user.email_addresses.find((address) => address.id === user.primary_email_address_id)?.email_address;
}
