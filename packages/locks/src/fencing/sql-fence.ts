import { describeValue } from '@corral/connection'
import { fenceRefused } from '../errors.ts'

/** Runs one statement and tells how many rows it changed. */
export type RunStatement = (text: string, values: readonly unknown[]) => Promise<number>

export interface SqlFenceOptions {
  /** Table whose rows are protected; letters, digits, `_`, and `.` before a schema's table. */
  readonly table: string
  /** Column that names a row. @defaultValue 'id' */
  readonly key?: string
  /** Column of type BIGINT NOT NULL DEFAULT 0 for the newest token. @defaultValue 'fence' */
  readonly fence?: string
  /** `'$1'` for PostgreSQL, `'?'` for MySQL and SQLite. @defaultValue '$1' */
  readonly placeholders?: '$1' | '?'
}

/** Rows of a table that only the newest holder of a lock can change. */
export interface SqlFence {
  /**
   * Marks the row as this holder's. Run it before the first read; from then on nobody with an older
   * token can write, whatever the isolation level.
   *
   * @throws CorralError FENCE_REFUSED when a newer holder has claimed it, or there is no such row
   */
  claim(run: RunStatement, id: unknown, fencingToken: number): Promise<void>
  /**
   * Changes the row if this holder's claim still stands.
   *
   * @throws CorralError FENCE_REFUSED when a newer holder has claimed it, or there is no such row
   * @throws TypeError when `values` name none, the key's or the fence's column, or no plain identifier
   */
  write(
    run: RunStatement,
    id: unknown,
    fencingToken: number,
    values: Readonly<Record<string, unknown>>,
  ): Promise<void>
}

/**
 * The recipe for SQL: a column with the newest fencing token, claimed by the first statement and
 * checked by every write.
 *
 * @throws TypeError for names that are no plain identifiers
 * @example
 * ```ts
 * import { createSqlFence, type RunStatement } from '@corral/locks'
 *
 * const accounts = createSqlFence({ table: 'accounts' })
 * export async function charge(run: RunStatement, fencingToken: number): Promise<void> {
 *   await accounts.claim(run, 42, fencingToken) // first of all
 *   // … read the row, decide …
 *   await accounts.write(run, 42, fencingToken, { balance: 100 })
 * }
 * ```
 */
export function createSqlFence(options: SqlFenceOptions): SqlFence {
  const { placeholders = '$1' } = options
  const table = identifier(options.table, 'table', true)
  const key = identifier(options.key ?? 'id', 'key')
  const fence = identifier(options.fence ?? 'fence', 'fence')
  if (placeholders !== '$1' && placeholders !== '?') {
    throw new TypeError(
      `placeholders: must be '$1' or '?', received ${describeValue(placeholders)}`,
    )
  }
  const reserved = new Set([key.toLowerCase(), fence.toLowerCase()])
  const at = (n: number): string => (placeholders === '?' ? '?' : `$${n}`)
  // `?` has no numbers, so the token is given twice in the order of the text.
  const claimText = `UPDATE ${table} SET ${fence} = ${at(1)} WHERE ${key} = ${at(2)} AND ${fence} <= ${at(3)}`

  async function change(
    run: RunStatement,
    text: string,
    values: readonly unknown[],
    id: unknown,
    token: number,
  ): Promise<void> {
    const rows = await run(text, values)
    if (rows !== 1) throw fenceRefused(`${table} ${String(id)}`, token)
  }

  return {
    claim: (run, id, token) => change(run, claimText, [token, id, token], id, token),
    async write(run, id, token, values) {
      const columns = Object.keys(values).map((column) => identifier(column, 'column'))
      if (columns.length === 0) throw new TypeError('values: must name at least one column')
      // Databases do not tell upper from lower case here.
      const own = columns.find((column) => reserved.has(column.toLowerCase()))
      if (own !== undefined)
        throw new TypeError(`values: must not name ${own}, which the fence uses`)
      const sets = columns.map((column, i) => `${column} = ${at(i + 1)}`).join(', ')
      const n = columns.length
      const text = `UPDATE ${table} SET ${sets} WHERE ${key} = ${at(n + 1)} AND ${fence} = ${at(n + 2)}`
      await change(run, text, [...Object.values(values), id, token], id, token)
    },
  }
}

/** Names are put into the text, so nothing but plain ones is taken. */
function identifier(name: string, option: string, dotted = false): string {
  const form = dotted ? /^[a-z_]\w*(\.[a-z_]\w*)?$/i : /^[a-z_]\w*$/i
  if (typeof name !== 'string' || !form.test(name)) {
    throw new TypeError(`${option}: must be a plain identifier, received ${describeValue(name)}`)
  }
  return name
}
