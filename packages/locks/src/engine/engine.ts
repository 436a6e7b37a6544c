import type { Clock, Connection } from '@corral/connection'
import { ATTEMPT_ARGS, EXTEND_ARGS, type LockScripts, RELEASE_ARGS } from '../scripts/lock-scripts.ts'
import type { LockKind } from '../trace.ts'
import type { ReplicaCheck } from './replica-check.ts'

/** A hold that Redis has confirmed. */
export interface Grant {
  readonly token: string
  readonly fence: number
  readonly ttlMs: number
  /** When the request that got it was sent, by the monotonic clock: its time counts from here. */
  readonly sentAt: number
}

/** What Redis said to somebody who wants a lock that is not free. */
export interface Busy {
  /** Earliest time in ms from now at which it is free if its holder says nothing more. */
  readonly leftMs: number
  /** The holder's whole ttl in ms. */
  readonly ttlMs: number
  /** Who holds it, or whom this very call handed it to. Empty when several hold it. */
  readonly holder: string
  /** Until when `holder` may claim what this call handed to it; empty if it did not. */
  readonly handedUntil: string
}

export interface AttemptRequest {
  readonly token: string
  readonly ttlMs: number
  /** Place in the line; empty for those who do not wait. */
  readonly entry: string
  /** Whether the entry may stand in the line already. */
  readonly again: boolean
}

export interface ReleaseRequest {
  /** Empty: whoever holds it. */
  readonly token: string
  /** Who gets it next if nobody is before it. */
  readonly pass?: { readonly token: string; readonly ttlMs: number; readonly first: boolean }
  /** Channel whose waiters may be served by the reply. */
  readonly own?: string
  /** Entry to take out of the line. */
  readonly entry?: string
}

export type Released =
  | { readonly kind: 'not-held' | 'free' }
  /** Held now by another token of this process. */
  | { readonly kind: 'passed'; readonly grant: Grant }
  /** Reserved for a waiter elsewhere, who has until then (server microseconds) to claim it. */
  | { readonly kind: 'handed'; readonly token: string; readonly until: string }

/** What is known of a lock, from outside. */
export interface Snapshot {
  readonly waiting: number
  readonly fence: number | undefined
  readonly holders: readonly { readonly token: string; readonly leftMs: number }[]
}

/** One lock in Redis, whatever its kind. */
export interface Engine {
  readonly key: string
  /** How messages call it. */
  readonly what: string
  readonly name: string
  readonly kind: LockKind
  readonly mode: 'r' | 'w'
  /** Only one can hold it, so that a busy reply names the holder. */
  readonly single: boolean
  /** Whether a release may pass it on to a token of this process. */
  readonly passes: boolean
  readonly clock: Clock
  attempt(request: AttemptRequest): Promise<Grant | Busy>
  release(request: ReleaseRequest): Promise<Released>
  /** Undefined when the token does not hold it. */
  extend(token: string, ttlMs: number, claim: boolean): Promise<Grant | undefined>
  inspect(): Promise<Snapshot>
  /** Whether a hand-over that this process made still waits to be claimed. */
  unclaimed(token: string, until: string): Promise<boolean>
}

export interface EngineDeps {
  readonly connection: Connection
  readonly scripts: LockScripts
  readonly key: string
  readonly name: string
  readonly kind: LockKind
  readonly mode: 'r' | 'w'
  readonly single: boolean
  readonly capacity: number
  readonly keepMs: number
  readonly replicas: ReplicaCheck | undefined
}

export function isGrant(reply: Grant | Busy): reply is Grant {
  return 'fence' in reply
}

/** Speaks the scripts of one kind for one lock. */
export function createEngine(deps: EngineDeps): Engine {
  const { connection, scripts, key, name, kind, mode, capacity, replicas } = deps
  const { clock } = connection
  const what = `${kind === 'mutex' ? 'lock' : `${kind} lock`} ${JSON.stringify(name)}`
  // Counts of subscribers are per server: in a cluster nobody is taken for dead by them.
  const trust = (): string => (connection.isCluster ? '0' : '1')

  async function confirmed(grant: Grant): Promise<Grant> {
    if (replicas === undefined) return grant
    try {
      await replicas.confirm(what)
      return grant
    } catch (error) {
      engine.release({ token: grant.token }).catch(() => undefined)
      throw error
    }
  }

  const engine: Engine = {
    key,
    what,
    name,
    kind,
    mode,
    single: deps.single,
    passes: deps.single && replicas === undefined,
    clock,
    async attempt({ token, ttlMs, entry, again }) {
      const sentAt = clock.now()
      const args = [token, ttlMs, entry, again ? '1' : '0', deps.keepMs, trust(), capacity, mode]
      const reply = await run(scripts.attempt, args, ATTEMPT_ARGS)
      if (reply[0] !== 1) {
        return {
          leftMs: Number(reply[1]),
          ttlMs: Number(reply[2]),
          holder: String(reply[3]),
          handedUntil: String(reply[4]),
        }
      }
      const grant = { token, fence: Number(reply[1]), ttlMs, sentAt }
      return replicas === undefined ? grant : confirmed(grant)
    },
    async release({ token, pass, own = '', entry = '' }) {
      const sentAt = clock.now()
      const args = [
        token,
        pass?.token ?? '',
        pass?.ttlMs ?? 0,
        pass?.first === true ? '1' : '0',
        own,
        entry,
        trust(),
        capacity,
        mode,
      ]
      const [code, next, third, fourth] = await run(scripts.release, args, RELEASE_ARGS)
      if (code === 2) {
        const ttlMs = Number(fourth)
        return { kind: 'passed', grant: { token: String(next), fence: Number(third), ttlMs, sentAt } }
      }
      if (code === 3) return { kind: 'handed', token: String(next), until: String(third) }
      return { kind: code === 1 ? 'free' : 'not-held' }
    },
    async extend(token, ttlMs, claim) {
      const sentAt = clock.now()
      const args = [token, ttlMs, deps.keepMs, mode, claim ? '1' : '0']
      const [code, fence] = await run(scripts.extend, args, EXTEND_ARGS)
      if (code !== 1) return undefined
      if (replicas !== undefined) await replicas.confirm(what)
      return { token, fence: Number(fence), ttlMs, sentAt }
    },
    async inspect() {
      const [waiting, fence, ...rest] = await run(scripts.inspect, [], 0)
      const holders: { token: string; leftMs: number }[] = []
      for (let i = 0; i < rest.length; i += 2) {
        holders.push({ token: String(rest[i]), leftMs: Number(rest[i + 1]) })
      }
      return {
        waiting: Number(waiting),
        fence: fence === '' ? undefined : Number(fence),
        holders,
      }
    },
    async unclaimed(token, until) {
      if (!deps.single) return true
      const reply = await connection.read({ name: 'hmget', key, args: ['t', 'u'] })
      const [holder, till] = reply as (string | null)[]
      return holder === token && till === until
    },
  }

  async function run(
    script: LockScripts['attempt'],
    args: (string | number)[],
    expected: number,
  ): Promise<unknown[]> {
    if (args.length !== expected) throw new RangeError(`${script.name}: wrong number of arguments`)
    return (await connection.scriptEach(script, key, args)) as unknown[]
  }

  return engine
}
