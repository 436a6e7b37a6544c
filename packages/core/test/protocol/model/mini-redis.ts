/** As much of Redis as the protocol touches: strings and "something else", PX, TIME, noeviction. */
export interface Cell {
  readonly type: 'string' | 'list'
  readonly text: string
  /** µs of its node's clock; undefined = forever. */
  readonly endsAt: number | undefined
}

export interface MiniRedis {
  readonly cells: Map<string, Cell>
  /** What a node's clock shows, by the key it holds. */
  now(key: string): number
  advance(us: number): void
  cell(key: string): Cell | undefined
  set(key: string, text: string, ttlMs?: number): void
  /** Memory is at its limit. */
  full: boolean
  /** Redis's own check: refuses a store as a script's first write only. Kept per script by `script`. */
  script<T>(body: (script: ScriptContext) => T): T
  /** Every store that Redis would have refused as a command of its own. */
  readonly overruns: string[]
}

export interface ScriptContext {
  /** 'OOM' when Redis refuses. ttlMs 0 or left out = forever. */
  set(key: string, text: string, ttlMs?: number): 'OK' | 'OOM'
  del(key: string): number
}

export function createMiniRedis(offsets: (key: string) => number = () => 0): MiniRedis {
  const cells = new Map<string, Cell>()
  const overruns: string[] = []
  let time = 1_795_000_000_000_000
  const redis: MiniRedis = {
    cells,
    overruns,
    full: false,
    now: (key) => time + offsets(key),
    advance(us) {
      time += us
    },
    cell(key) {
      const cell = cells.get(key)
      if (cell?.endsAt === undefined || redis.now(key) < cell.endsAt) return cell
      cells.delete(key)
      return undefined
    },
    set(key, text, ttlMs) {
      const endsAt = ttlMs ? redis.now(key) + ttlMs * 1000 : undefined
      cells.set(key, { type: 'string', text, endsAt })
    },
    script(body) {
      const full = redis.full
      let dirty = false
      return body({
        set(key, text, ttlMs) {
          if (full && !dirty) return 'OOM'
          if (full) overruns.push(key)
          dirty = true
          redis.set(key, text, ttlMs)
          return 'OK'
        },
        del(key) {
          dirty = true
          return redis.cell(key) && cells.delete(key) ? 1 : 0
        },
      })
    },
  }
  return redis
}
