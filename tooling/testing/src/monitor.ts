import { randomUUID } from 'node:crypto'
import { openRawConnection } from './resp/raw-connection.ts'
import type { TestRedis } from './redis/test-redis.ts'
import { waitFor } from './wait-for.ts'

export interface MonitoredCommand {
  /** In capitals. */
  name: string
  args: string[]
  db: number
  /** Address of the client that sent it, `lua` for what a script ran. */
  client: string
  /** Whether a script ran it, and no client sent it. */
  lua: boolean
  /** Server time in seconds. */
  time: number
}

export interface CommandFilter {
  /** Also what scripts ran inside. Default false: only what clients sent. */
  lua?: boolean
  /** Only this client (`127.0.0.1:49152`). */
  client?: string
}

/** What a server was told, as its MONITOR tells it. */
export interface Monitor extends AsyncDisposable {
  /** Everything up to this call, complete: it waits until a marker of its own has come by. */
  commands(filter?: CommandFilter): Promise<MonitoredCommand[]>
  /** Forgets everything up to this call. */
  clear(): Promise<void>
  close(): Promise<void>
}

const LINE = /^(\d+\.\d+) \[(\d+) ([^\]]+)\] (.*)$/s

/**
 * Records the commands that reach a server, over a connection of its own. Passwords set by
 * `args: ['--requirepass', …]` are taken from the url.
 */
export async function monitor(
  redis: Pick<TestRedis, 'url' | 'host' | 'port'> | { host: string; port: number },
): Promise<Monitor> {
  const { host, port } = redis
  const password = 'url' in redis ? decodeURIComponent(new URL(redis.url).password) : ''
  const address = { host, port, ...(password === '' ? {} : { password }) }
  let seen: MonitoredCommand[] = []
  const watching = await openRawConnection({
    ...address,
    onPush(line) {
      const command = parseLine(String(line))
      if (command !== undefined) seen.push(command)
    },
  })
  const marking = await openRawConnection(address)
  await watching.send('MONITOR')

  /** Waits for everything sent so far, takes the markers out, tells how much is there. */
  const settle = async (): Promise<number> => {
    const marker = `corral-monitor-${randomUUID()}`
    await marking.send('ECHO', marker)
    const index = (): number => seen.findIndex((command) => command.args[0] === marker)
    await waitFor(() => index() !== -1, { what: 'the marker to appear in MONITOR', interval: 1 })
    const at = index()
    seen.splice(at, 1)
    return at
  }
  const close = (): Promise<void> => {
    watching.close()
    marking.close()
    return Promise.resolve()
  }

  return {
    async commands({ lua = false, client } = {}) {
      const end = await settle()
      return seen
        .slice(0, end)
        .filter((command) => (lua || !command.lua) && (client ?? command.client) === command.client)
    },
    async clear() {
      const end = await settle()
      seen = seen.slice(end)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Reads `1700000000.123456 [0 127.0.0.1:5000] "SET" "a" "1"`. */
function parseLine(line: string): MonitoredCommand | undefined {
  const [, time, db, client = '', rest = ''] = LINE.exec(line) ?? []
  if (time === undefined) return undefined
  const [name = '', ...args] = [...rest.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map((m) =>
    unquote(m[1] ?? ''),
  )
  return {
    name: name.toUpperCase(),
    args,
    db: Number(db),
    client,
    lua: client === 'lua',
    time: Number(time),
  }
}

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' }

/** Undoes the server's quoting, in which bytes outside ASCII are `\xNN`. */
function unquote(text: string): string {
  const bytes = text.replace(/\\(?:x([0-9a-f]{2})|(.))/gs, (_, hex?: string, char = '') =>
    hex === undefined ? (ESCAPES[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
