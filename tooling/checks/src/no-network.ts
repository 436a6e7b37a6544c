import { Socket } from 'node:net'

/**
 * Set-up of the unit project. A unit test may talk to a server of its own; it fails when it reaches
 * for another machine, or for the Redis that happens to run on the default port.
 */
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost', undefined])
const REDIS_PORT = 6379

const connect = Socket.prototype.connect as (...args: unknown[]) => Socket

Socket.prototype.connect = function guarded(this: Socket, ...args: readonly unknown[]): Socket {
  const { host, port } = destination(args)
  if (!LOOPBACK.has(host) || port === REDIS_PORT)
    throw new Error(
      `A unit test reaches for ${host ?? 'localhost'}:${port}; such tests stand in test/`,
    )
  return connect.apply(this, [...args])
}

interface Destination {
  readonly host?: string
  readonly port?: number
}

/** `net.connect` hands its arguments on as one array. */
function destination(args: readonly unknown[]): Destination {
  const [first, second] = (Array.isArray(args[0]) ? args[0] : args) as readonly unknown[]
  if (typeof first === 'object' && first !== null) {
    const { host, port } = first as { readonly host?: string; readonly port?: number | string }
    return { ...(host === undefined ? {} : { host }), port: Number(port) }
  }
  return { ...(typeof second === 'string' ? { host: second } : {}), port: Number(first) }
}
