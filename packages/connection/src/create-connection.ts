import {
  requireArguments,
  requireDuration,
  requireKey,
  requireKeys,
  requireScript,
  requireShares,
  requireTtl,
  requireValue,
  tooLarge,
} from './call-input.ts'
import { connectionBrand, connectionClient, type BrandedConnection } from './connection-brand.ts'
import type { BulkOptions, CallOptions, Connection } from './connection.ts'
import { CorralError, unavailable } from './errors.ts'
import { inSlices, type Partial } from './guard/bulk.ts'
import { connectionHealth } from './connection-health.ts'
import { requireReadCommand } from './read-commands.ts'
import type { Lease } from './registry.ts'
import type { Server } from './router/router.ts'
import { deleteScript, setScript } from './scripts/plain-writes.ts'

/** One handle on a guard; what `shareConnection` and `openConnection` give out. */
export function createConnection(lease: Lease): Connection {
  const { guard } = lease
  const { options } = guard
  const { deadlineMs, maxValueBytes } = options
  /** How many calls our own bounds have room for. */
  const room = options.maxPending + options.maxQueued
  let closed = false
  const listening = new Set<() => void>()
  let closing: Promise<void> | undefined

  function durationOf(call: CallOptions | undefined): number {
    const ms = call?.deadlineMs
    return ms === undefined ? deadlineMs : requireDuration(ms)
  }

  /** The server of a key when it is known already: the path of nearly every call. */
  function known(key: string): Server | undefined {
    return closed ? undefined : guard.router?.route(key)
  }

  async function reach<Result>(
    key: string,
    call: CallOptions | undefined,
    run: (server: Server, leftMs: number) => Promise<Result>,
  ): Promise<Result> {
    if (closed) throw closedError()
    const { server, leftMs } = await guard.reach(key, durationOf(call))
    return run(server, leftMs)
  }

  /** Runs a call at the server of a key, at once when that is known. */
  function on<Result>(
    key: string,
    call: CallOptions | undefined,
    run: (server: Server, ms: number) => Promise<Result>,
  ): Promise<Result> {
    const server = known(key)
    return server === undefined ? reach(key, call, run) : run(server, durationOf(call))
  }

  function get(
    key: string,
    encoding: 'utf8' | 'buffer',
    call: CallOptions | undefined,
  ): Promise<unknown> {
    requireKey(key)
    const server = known(key)
    return server === undefined
      ? reach(key, call, (at, leftMs) => at.batcher.get(key, encoding, leftMs))
      : server.batcher.get(key, encoding, durationOf(call))
  }

  /** In a cluster each key goes its own way; the batches of a tick gather them again by node. */
  function spread(
    keys: readonly string[],
    partial: Partial | undefined,
    one: (key: string, index: number) => Promise<unknown>,
  ): Promise<unknown[]> {
    return Promise.all(
      keys.map((key, index) => {
        const answer = one(key, index)
        if (partial === undefined) return answer
        return answer.catch((error: unknown) => {
          partial(error as CorralError, [key])
          return null
        })
      }),
    )
  }

  function getMany(
    keys: readonly string[],
    encoding: 'utf8' | 'buffer',
    call: BulkOptions | undefined,
  ): Promise<unknown[]> {
    requireKeys(keys)
    return inSlices(keys, room, call?.onPartialFailure, (slice, _from, partial) => {
      const first = slice[0]
      if (first === undefined) return Promise.resolve([])
      if (guard.isCluster) return spread(slice, partial, (key) => get(key, encoding, call))
      return on(first, call, (at, ms) => at.batcher.getMany(slice, encoding, ms, partial))
    })
  }

  const scriptEach: Connection['scriptEach'] = (script, key, args, call) => {
    requireScript(script)
    requireKey(key)
    requireArguments(args)
    requireShares(script, 1, args)
    const large = tooLarge(args, maxValueBytes)
    if (large !== undefined) return Promise.reject(large)
    const server = known(key)
    const slot = guard.router?.slotOf(key) ?? 0
    return server === undefined
      ? reach(key, call, (at, leftMs) =>
          at.batcher.scriptEach(script, key, guard.router?.slotOf(key) ?? slot, args, leftMs),
        )
      : server.batcher.scriptEach(script, key, slot, args, durationOf(call))
  }

  /** What this handle listens to ends with it, also while others use the same guard. */
  function whileOpen(unsubscribe: () => void): () => void {
    const stop = (): void => {
      listening.delete(stop)
      unsubscribe()
    }
    listening.add(stop)
    if (closed) stop()
    return stop
  }

  async function masters(): Promise<readonly Server[]> {
    if (closed) throw closedError()
    if (guard.router === undefined || guard.router.settling !== undefined)
      await guard.reach('', deadlineMs)
    return guard.router?.masters() ?? []
  }

  async function* scan(
    pattern: string,
    call: (CallOptions & { readonly count?: number }) | undefined,
  ): AsyncIterable<string[]> {
    const count = call?.count ?? 100
    const servers = await masters()
    if (guard.router?.complete === false) {
      // Who scans to delete must not take a part for the whole.
      throw unavailable('not-ready', 'SCAN: a part of the cluster has no master now')
    }
    for (const server of servers) {
      let cursor = '0'
      do {
        if (closed) throw closedError()
        const reply = await server.batcher.plain(
          'scan',
          [cursor, 'MATCH', pattern, 'COUNT', count],
          durationOf(call),
        )
        const [next, keys] = reply as [string, string[]]
        cursor = next
        yield keys
      } while (cursor !== '0')
    }
  }

  const connection: BrandedConnection = {
    [connectionBrand]: (given) => createConnection(lease.again(given)),
    async [connectionClient]() {
      if (closed) throw new TypeError('connection: this connection was closed')
      return guard.client()
    },
    get source() {
      return guard.source
    },
    get isCluster() {
      return guard.isCluster
    },
    clock: options.clock,
    deadlineMs,
    maxValueBytes,
    get available() {
      return !closed && guard.available
    },
    serverNow: (key) => known(key)?.link.serverNow(),
    get: (key, call) => get(key, 'utf8', call) as Promise<string | null>,
    ask(key, asker, call) {
      requireKey(key)
      const server = known(key)
      if (server !== undefined) server.batcher.ask(key, durationOf(call), asker)
      else {
        get(key, 'buffer', call).then(
          (bytes) => asker.onBytes(bytes as Buffer | null),
          (error: unknown) => asker.onError(error as CorralError),
        )
      }
    },
    getBuffer: (key, call) => get(key, 'buffer', call) as Promise<Buffer | null>,
    getMany: (keys, call) => getMany(keys, 'utf8', call) as Promise<(string | null)[]>,
    getManyBuffer: (keys, call) => getMany(keys, 'buffer', call) as Promise<(Buffer | null)[]>,
    read(command, call) {
      requireReadCommand(command.name)
      requireKey(command.key)
      if (command.args !== undefined) requireArguments(command.args)
      return on(command.key, call, (at, ms) => at.batcher.read(command, ms))
    },
    script(script, keys, args, call) {
      requireScript(script)
      requireKeys(keys)
      requireArguments(args)
      const large = tooLarge(args, maxValueBytes)
      if (large !== undefined) return Promise.reject(large)
      return on(keys[0] ?? '', call, (at, ms) => at.batcher.script(script, keys, args, ms))
    },
    scriptEach,
    scriptMany: (script, keys, args, call) => {
      requireScript(script)
      requireKeys(keys)
      requireArguments(args)
      requireShares(script, keys.length, args)
      const large = tooLarge(args, maxValueBytes)
      if (large !== undefined) return Promise.reject(large)
      const per = args.length / keys.length
      return inSlices(keys, room, call?.onPartialFailure, (slice, from, partial) => {
        const first = slice[0]
        if (first === undefined) return Promise.resolve([])
        if (guard.isCluster) {
          return spread(slice, partial, (key, i) =>
            scriptEach(script, key, args.slice((from + i) * per, (from + i + 1) * per), call),
          )
        }
        const theirs = slice === keys ? args : args.slice(from * per, (from + slice.length) * per)
        return on(first, call, (at, ms) =>
          at.batcher.scriptMany(script, slice, theirs, ms, partial),
        )
      })
    },
    async set(key, value, call) {
      requireValue(value, maxValueBytes)
      await scriptEach(setScript, key, [value, requireTtl(call)], call)
    },
    delete: async (key, call) => Number(await scriptEach(deleteScript, key, [], call)) === 1,
    async publish(channel, message, call) {
      requireKey(channel)
      requireValue(message, maxValueBytes)
      await on(channel, call, (at, ms) => at.batcher.plain('publish', [channel, message], ms))
    },
    scan,
    async info(section, call) {
      const args = section === undefined ? [] : [section]
      const all = (await masters()).map(async ({ link, batcher }): Promise<[string, string]> => {
        return [link.name, String(await batcher.plain('info', args, durationOf(call)))]
      })
      return new Map(await Promise.all(all))
    },
    signals: {
      get state() {
        return guard.signals.state
      },
      get tracking() {
        return guard.signals.tracking
      },
      watch: (prefix, listener) => whileOpen(guard.signals.watch(prefix, listener)),
      subscribe: (channel, listener) => whileOpen(guard.signals.subscribe(channel, listener)),
      whenOn: (timeoutMs) => guard.signals.whenOn(timeoutMs),
    },
    onAvailability: (listener) => whileOpen(guard.onAvailability(listener)),
    health: () => connectionHealth(guard, closed),
    isolate: () => guard.isolate(true),
    reset: () => {
      guard.isolate(false)
      guard.resetBreakers()
    },
    close() {
      closed = true
      for (const stop of listening) stop()
      return (closing ??= lease.release())
    },
    [Symbol.asyncDispose]: () => connection.close(),
  }
  return connection
}

function closedError(): CorralError {
  return new CorralError('CONNECTION_CLOSED', 'this connection was closed')
}
