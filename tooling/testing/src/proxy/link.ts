import { connect, type Socket } from 'node:net'
import { createCommandParser, type SeenCommand } from './command-parser.ts'
import { createLane, type LaneConditions } from './lane.ts'

/** A fault that strikes once, at the next reply that it applies to. */
export interface ArmedFault {
  /** Bytes of the reply that still get through. */
  afterBytes: number
  /** Only after this command went by on the connection. */
  command: string | undefined
  struck(): void
}

export interface LinkHooks {
  up: LaneConditions
  down: LaneConditions
  onCommand(command: SeenCommand): void
  onBytes(direction: 'up' | 'down', bytes: number): void
  /** The fault that waits for a victim. */
  armed(): ArmedFault | undefined
  onClose(): void
}

/** One client's connection and the connection to the server behind it. */
export interface Link {
  poke(): void
  /** RST to both sides. */
  reset(): void
  /** Bytes to the client that the server never sent. */
  inject(bytes: Buffer): void
}

export function createLink(
  client: Socket,
  target: { host: string; port: number },
  hooks: LinkHooks,
): Link {
  const server = connect({ ...target, noDelay: true, allowHalfOpen: true })
  client.setNoDelay(true)
  const up = createLane(client, server, hooks.up, (bytes) => hooks.onBytes('up', bytes))
  const down = createLane(server, client, hooks.down, (bytes) => hooks.onBytes('down', bytes))
  // The fault that has chosen this connection, and what it lets through.
  let struck: ArmedFault | undefined
  let allowance = 0
  let closed = false

  const shut = (how: 'reset' | 'destroy'): void => {
    if (closed) return
    closed = true
    up.close()
    down.close()
    for (const socket of [client, server]) {
      if (how === 'reset') socket.resetAndDestroy()
      else socket.destroy()
    }
    hooks.onClose()
  }

  const parse = createCommandParser((command) => {
    hooks.onCommand(command)
    choose(command.name)
  })
  const choose = (command: string | undefined): void => {
    const fault = hooks.armed()
    if (fault === undefined || struck !== undefined) return
    if (fault.command !== undefined && fault.command !== command) return
    struck = fault
    allowance = fault.afterBytes
  }

  client.on('data', (chunk: Buffer) => {
    parse(chunk)
    up.push(chunk)
  })
  server.on('data', (chunk: Buffer) => {
    if (hooks.armed()?.command === undefined) choose(undefined)
    // Another connection may have been the first to fall.
    if (struck !== undefined && hooks.armed() !== struck) struck = undefined
    if (struck === undefined || chunk.length < allowance) {
      if (struck !== undefined) allowance -= chunk.length
      down.push(chunk)
      return
    }
    const fault = struck
    fault.struck()
    if (allowance > 0) client.write(chunk.subarray(0, allowance))
    // FIN, not RST: the bytes that got through must be read before the end is seen.
    client.end(() => shut('destroy'))
    server.destroy()
    down.close()
  })
  const settle = (): void => {
    if (client.destroyed && server.destroyed) return shut('destroy')
    // While held, neither side learns that the other has gone: a FIN waits in its lane, too.
    if (client.destroyed && !server.writableEnded) up.end()
    if (server.destroyed && !hooks.down.held && serverFailed) client.resetAndDestroy()
  }
  let serverFailed = false
  client.on('end', () => up.end())
  server.on('end', () => down.end())
  client.on('error', () => {
    // Seen as `close`.
  })
  server.on('error', () => (serverFailed = true))
  client.on('close', settle)
  server.on('close', settle)

  return {
    poke() {
      up.poke()
      down.poke()
      settle()
    },
    reset: () => shut('reset'),
    inject: (bytes) => void client.write(bytes),
  }
}
