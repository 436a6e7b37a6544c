import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { freePort, releasePort } from '../free-port.ts'
import type { SeenCommand } from './command-parser.ts'
import { createLink, type ArmedFault, type Link } from './link.ts'

/** A direction of traffic: `up` is from client to server. */
export type Direction = 'both' | 'up' | 'down'

export interface ProxiedCommand extends SeenCommand {
  /** When it arrived at the proxy, on the clock of `performance.now()`. */
  at: number
  /** Number of the connection that it came by, counted from 1. */
  connection: number
}

export interface ProxyStats {
  /** Connections open now. */
  connections: number
  /** Connections accepted so far. */
  accepted: number
  /** Bytes delivered to the server. */
  bytesUp: number
  /** Bytes delivered to clients. */
  bytesDown: number
  /** What clients sent, held commands included; the last 100,000. */
  commands: readonly ProxiedCommand[]
}

export interface OneShot {
  /** Only after a command of this name went by on a connection. Default: the next reply of any. */
  command?: string
}

export interface FaultProxy extends AsyncDisposable {
  readonly host: string
  readonly port: number
  readonly url: string
  /** Delays each direction by `ms` plus up to `jitter`: a round trip takes 2 x `ms` longer. */
  latency(ms: number, jitter?: number): void
  /** Limits each direction of each connection. `Infinity` lifts the limit. */
  bandwidth(bytesPerSecond: number): void
  /**
   * A silent partition: connections stay open (new ones are accepted), nothing gets through, not
   * even their end. `heal()` delivers what was held, as TCP would: late commands take effect.
   */
  blackHole(direction?: Direction): void
  /** RST to both sides of all connections that are open now. */
  reset(): void
  /**
   * Cuts one connection after `afterBytes` bytes of its next reply. Resolves when it has happened
   * (or was healed away); only one such fault is armed at a time, the last one counts.
   */
  cutMidReply(afterBytes: number, options?: OneShot): Promise<void>
  /** Swallows one reply whole and closes its connection: done by the server, unknown to the client. */
  dropNextReply(options?: OneShot): Promise<void>
  /** Sends bytes to all clients that the server never sent. */
  inject(bytes: string | Buffer): void
  /** Refuses new connections (ECONNREFUSED); open ones go on. */
  refuse(on: boolean): Promise<void>
  /** Takes all faults back; what was held or delayed is delivered at once. */
  heal(): Promise<void>
  stats(): ProxyStats
  /** Forgets what was counted so far. */
  clearStats(): void
  /** Ends all connections and the proxy. May be called twice. */
  close(): Promise<void>
}

const KEPT_COMMANDS = 100_000

/**
 * A TCP proxy in front of one Redis server that can misbehave in every way a network can.
 *
 * In front of a cluster, start one per node and let the client's `natMap` lead to them:
 *
 *     const proxies = await Promise.all(redis.nodes.map((target) => startProxy({ target })))
 *     const natMap = Object.fromEntries(
 *       redis.nodes.map(({ host, port }, i) => [`${host}:${port}`, proxies[i]]),
 *     )
 *     new Cluster([proxies[0]], { natMap })
 */
export async function startProxy(options: {
  target: { host: string; port: number }
}): Promise<FaultProxy> {
  const { target } = options
  const host = '127.0.0.1'
  const port = await freePort()
  const healthy = { latency: 0, jitter: 0, bytesPerSecond: Infinity, held: false }
  const up = { ...healthy }
  const down = { ...healthy }
  const links = new Set<Link>()
  let armed: ArmedFault | undefined
  let accepted = 0
  let bytes = { up: 0, down: 0 }
  let commands: ProxiedCommand[] = []
  let closed: Promise<void> | undefined

  const accept = (client: Socket): void => {
    const connection = ++accepted
    const link = createLink(client, target, {
      up,
      down,
      armed: () => armed,
      onBytes: (direction, count) => (bytes[direction] += count),
      onCommand(command) {
        commands.push({ ...command, at: performance.now(), connection })
        if (commands.length >= 2 * KEPT_COMMANDS) commands = commands.slice(-KEPT_COMMANDS)
      },
      onClose: () => links.delete(link),
    })
    links.add(link)
  }
  const listen = async (): Promise<Server> => {
    const server = createServer({ allowHalfOpen: true }, accept)
    server.listen({ port, host })
    await once(server, 'listening')
    return server
  }
  let listener: Server | undefined = await listen()

  const pokeAll = (): void => {
    for (const link of links) link.poke()
  }
  const arm = (afterBytes: number, { command }: OneShot = {}): Promise<void> =>
    new Promise((resolve) => {
      armed?.struck()
      const fault: ArmedFault = {
        afterBytes,
        command: command?.toUpperCase(),
        struck() {
          if (armed === fault) armed = undefined
          resolve()
        },
      }
      armed = fault
    })
  const refuse = async (on: boolean): Promise<void> => {
    if (!on) {
      listener ??= await listen()
      return
    }
    // Listening ends at once; `close` itself would wait for the open connections.
    listener?.close()
    listener = undefined
  }
  const close = async (): Promise<void> => {
    armed?.struck()
    for (const link of links) link.reset()
    await refuse(true)
    releasePort(port)
  }

  return {
    host,
    port,
    url: `redis://${host}:${port}`,
    latency(ms, jitter = 0) {
      for (const lane of [up, down]) Object.assign(lane, { latency: ms, jitter })
      pokeAll()
    },
    bandwidth(bytesPerSecond) {
      for (const lane of [up, down]) lane.bytesPerSecond = bytesPerSecond
      pokeAll()
    },
    blackHole(direction = 'both') {
      if (direction !== 'down') up.held = true
      if (direction !== 'up') down.held = true
    },
    reset() {
      for (const link of links) link.reset()
    },
    cutMidReply: (afterBytes, oneShot) => arm(afterBytes, oneShot),
    dropNextReply: (oneShot) => arm(0, oneShot),
    inject(data) {
      for (const link of links) link.inject(Buffer.from(data as string))
    },
    refuse,
    async heal() {
      Object.assign(up, healthy)
      Object.assign(down, healthy)
      armed?.struck()
      pokeAll()
      await refuse(false)
    },
    stats: () => ({
      connections: links.size,
      accepted,
      bytesUp: bytes.up,
      bytesDown: bytes.down,
      commands: [...commands],
    }),
    clearStats() {
      accepted = 0
      bytes = { up: 0, down: 0 }
      commands = []
    },
    close: () => (closed ??= close()),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  }
}
