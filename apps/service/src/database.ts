import { setTimeout as sleep } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'
import type { RunStatement } from '@corral/locks'

/** A row of the users table. */
export interface User {
  readonly id: number
  readonly name: string
  readonly email: string
  readonly plan: 'free' | 'team' | 'business'
  readonly credits: number
  /** Counts the changes of this row. */
  readonly version: number
  readonly updatedAt: string
}

/** What may be changed of a user. */
export type UserChanges = Partial<Pick<User, 'name' | 'email' | 'plan' | 'credits'>>

/** What the demo's made-up keys are computed from. */
export interface PlanReport {
  readonly users: number
  readonly credits: number
  readonly plans: Readonly<Record<string, number>>
}

/** The source of truth: slow enough that a cache in front of it is worth having. */
export interface Database {
  user(id: number): Promise<User | undefined>
  /** Resolves with the changed user, or `undefined` when there is none of that id. */
  updateUser(id: number, changes: UserChanges): Promise<User | undefined>
  /** Figures over a share of the users: those whose id leaves `share` when divided by {@link REPORT_SHARES}. */
  report(share: number): Promise<PlanReport>
  /** Runs a statement and gives the rows that it returns. */
  rows<Row>(text: string, values: readonly unknown[]): Promise<Row[]>
  /** Runs a statement and tells how many rows it changed. */
  readonly run: RunStatement
  /** Runs statements that take effect together, or not at all when `body` throws. */
  transaction<Result>(body: (run: RunStatement) => Promise<Result>): Promise<Result>
  /** How many statements were executed since the start. */
  readonly queries: number
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** How many users to begin with. */
  readonly users: number
  /** What each query costs beyond its own work, in milliseconds. */
  readonly latencyMs: number
  /** How many queries run at once; others wait. */
  readonly pool: number
}

/** Into so many shares reports part the users. */
export const REPORT_SHARES = 97

const COLUMNS = 'id, name, email, plan, credits, version, updated_at'

/**
 * A real Postgres inside this process, in memory, with the same rows at every start. A database
 * across a network has a round trip and a connection pool; both are added here, in the one place
 * that every statement passes and is counted in.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const postgres = await PGlite.create()
  await postgres.exec(`
    CREATE TABLE users (
      id integer PRIMARY KEY,
      name text NOT NULL,
      email text NOT NULL,
      plan text NOT NULL CHECK (plan IN ('free', 'team', 'business')),
      credits integer NOT NULL,
      version integer NOT NULL DEFAULT 1,
      updated_at timestamptz NOT NULL DEFAULT '2026-01-01T00:00:00Z',
      -- The newest fencing token that claimed the row; see jobs/grant-credits.ts.
      fence bigint NOT NULL DEFAULT 0
    );
    CREATE TABLE grants (
      id text PRIMARY KEY,
      user_id integer NOT NULL REFERENCES users,
      amount integer NOT NULL
    );
    CREATE TABLE tokens (
      -- The token itself is nowhere.
      digest text PRIMARY KEY,
      user_id integer NOT NULL REFERENCES users,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX ON tokens (user_id);
    INSERT INTO users (id, name, email, plan, credits)
    SELECT i, 'User ' || i, 'user' || i || '@example.org',
      (ARRAY['free', 'free', 'free', 'team', 'business'])[1 + i % 5], i * 7919 % 10000
    FROM generate_series(1, ${options.users}) AS i;
  `)
  const slots = createSlots(options.pool)
  let queries = 0

  /** Does `work` as it would be done across a network: through the pool, and some time later. */
  async function remotely<Result>(work: () => Promise<Result>): Promise<Result> {
    await slots.take()
    try {
      queries++
      if (options.latencyMs > 0) await sleep(options.latencyMs)
      return await work()
    } finally {
      slots.giveBack()
    }
  }

  function query<Row>(sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    return remotely(async () => (await postgres.query<Row>(sql, [...parameters])).rows)
  }

  function runOn(session: Pick<PGlite, 'query'>): RunStatement {
    return async (text, values) => (await session.query(text, [...values])).affectedRows ?? 0
  }

  return {
    get queries() {
      return queries
    },
    async user(id) {
      const rows = await query<UserRow>(`SELECT ${COLUMNS} FROM users WHERE id = $1`, [id])
      return userOf(rows[0])
    },
    async updateUser(id, changes) {
      const rows = await query<UserRow>(
        `UPDATE users SET name = coalesce($2, name), email = coalesce($3, email),
           plan = coalesce($4, plan), credits = coalesce($5, credits),
           version = version + 1, updated_at = now(),
           -- Who read the row under a lock and has not written yet must read it again.
           fence = fence + 1
         WHERE id = $1 RETURNING ${COLUMNS}`,
        [id, changes.name, changes.email, changes.plan, changes.credits],
      )
      return userOf(rows[0])
    },
    async report(share) {
      const rows = await query<{ plan: string; users: number; credits: number }>(
        `SELECT plan, count(*)::int AS users, sum(credits)::int AS credits
         FROM users WHERE id % ${REPORT_SHARES} = $1 GROUP BY plan ORDER BY plan`,
        [share],
      )
      return {
        users: rows.reduce((sum, row) => sum + row.users, 0),
        credits: rows.reduce((sum, row) => sum + row.credits, 0),
        plans: Object.fromEntries(rows.map((row) => [row.plan, row.users])),
      }
    },
    rows: query,
    run: (text, values) => remotely(() => runOn(postgres)(text, values)),
    transaction(body) {
      // PGlite has a single session: waiting inside of the transaction would stop everybody else.
      return remotely(() =>
        postgres.transaction((session) => body(runOn(session as Pick<PGlite, 'query'>))),
      )
    },
    close: () => postgres.close(),
  }
}

interface UserRow extends Omit<User, 'updatedAt'> {
  readonly updated_at: Date
}

function userOf(row: UserRow | undefined): User | undefined {
  if (row === undefined) return undefined
  const { updated_at: updatedAt, ...rest } = row
  return { ...rest, updatedAt: updatedAt.toISOString() }
}

interface Slots {
  take(): Promise<void>
  giveBack(): void
}

function createSlots(free: number): Slots {
  const waiting: (() => void)[] = []
  return {
    take() {
      if (free > 0) {
        free--
        return Promise.resolve()
      }
      return new Promise((resolve) => waiting.push(resolve))
    },
    giveBack() {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    },
  }
}
