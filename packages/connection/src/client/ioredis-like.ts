/**
 * What Corral uses of ioredis 5.11 and 6, told by shape: two copies of ioredis in one tree are
 * common, and BullMQ 6 hands out a Proxy, so `instanceof` is never asked. The tests run against the real
 * classes of both majors.
 */
export interface IoredisCommand {
  name: string
  args: (string | Buffer | number)[]
  readonly promise: Promise<unknown>
  reject(this: IoredisCommand, error: unknown): void
}

export interface IoredisCommandClass {
  new (
    name: string,
    args: (string | Buffer | number)[],
    options: { readonly replyEncoding: BufferEncoding | null },
  ): IoredisCommand
}

type Listener = (...args: never[]) => void

interface Emitter {
  on(event: string, listener: Listener): unknown
  removeListener(event: string, listener: Listener): unknown
}

/** One connection to one server. */
export interface IoredisClient extends Emitter {
  readonly status: string
  readonly options: Readonly<Record<string, unknown>>
  readonly stream?: { readonly writable: boolean; cork(): void; uncork(): void }
  sendCommand(command: never): unknown
  connect(): Promise<unknown>
  disconnect(reconnect?: boolean): void
  quit(): Promise<unknown>
  duplicate(override?: Record<string, unknown>): IoredisClient
}

/** A client of a Redis Cluster: a pool of {@link IoredisClient} and a table of slots. */
export interface IoredisCluster extends Emitter {
  readonly status: string
  readonly options: Readonly<Record<string, unknown>>
  readonly slots: readonly (readonly string[] | undefined)[]
  nodes(role?: 'all' | 'master' | 'slave'): IoredisClient[]
  refreshSlotsCache(callback?: (error?: unknown) => void): void
  sendCommand(command: never): unknown
  connect(): Promise<unknown>
  disconnect(reconnect?: boolean): void
  quit(): Promise<unknown>
}

/** Whether it speaks like ioredis: 5 or 6, one server or a cluster, raw or in BullMQ's Proxy. */
export function isIoredis(value: unknown): value is IoredisClient | IoredisCluster {
  if (typeof value !== 'object' || value === null) return false
  const client = value as Record<string, unknown>
  return (
    typeof client['defineCommand'] === 'function' &&
    typeof client['sendCommand'] === 'function' &&
    typeof client['status'] === 'string'
  )
}

export function isCluster(client: IoredisClient | IoredisCluster): client is IoredisCluster {
  return (client as { isCluster?: unknown }).isCluster === true
}

/**
 * ioredis's own `Command` class of the copy that made this client. Commands are made by hand so
 * that they can be defused: see {@link defuse}.
 *
 * No property of a client leads to it (`constructor` is EventEmitter's), so the prototype's own
 * `ping` is asked to send one to an object that only looks at what it is handed.
 */
export function commandClassOf(client: IoredisClient): IoredisCommandClass {
  const prototype = Object.getPrototypeOf(client) as { ping?(): unknown }
  let command: IoredisCommand | undefined
  const catcher = Object.create(prototype, {
    options: { value: {} },
    sendCommand: { value: (sent: IoredisCommand) => void (command = sent) },
  }) as { ping?(): unknown }
  catcher.ping?.()
  if (command === undefined) {
    throw new TypeError(
      'connection: this ioredis makes no Command objects; Corral supports ioredis 5.11 and 6',
    )
  }
  return (command as { constructor: unknown }).constructor as IoredisCommandClass
}

/**
 * Marks arguments as flat: ioredis asks every array of arguments to flatten itself, which takes
 * longer than writing it. It gets a copy as before.
 */
export function alreadyFlat<T>(args: T[]): T[] {
  return Object.assign(args, { flat: copyOf })
}

function copyOf<T>(this: T[]): T[] {
  return this.slice()
}

/**
 * Makes a command harmless before the client sends it again: ioredis repeats what was unanswered
 * when the socket died, and a repeated write would act twice or late.
 */
export function defuse(command: IoredisCommand): void {
  command.name = 'ping'
  command.args = []
}
