import type { Clock, Connection } from '@corral/connection'
import type { LockScripts } from '../scripts/lock-scripts.ts'
import type { LockKind } from '../trace.ts'
import type {
  Attempted,
  AttemptRequest,
  Grant,
  Released,
  ReleaseRequest,
  Snapshot,
} from './replies.ts'
import { readAttempt, readRelease, readSnapshot } from './replies.ts'
import type { ReplicaCheck } from './replica-check.ts'

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
  attempt(request: AttemptRequest): Promise<Attempted>
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

/** Speaks the scripts of one kind for one lock. */
export function createEngine(deps: EngineDeps): Engine {
  const { connection, scripts, key, name, kind, mode, capacity, keepMs, replicas } = deps
  const { clock } = connection

  const engine: Engine = {
    key,
    get what() {
      return `${kind === 'mutex' ? 'lock' : `${kind} lock`} ${JSON.stringify(name)}`
    },
    name,
    kind,
    mode,
    single: deps.single,
    passes: deps.single && replicas === undefined,
    clock,
    async attempt({ token, ttlMs, entry, again }) {
      const sentAt = clock.now()
      const reply = await connection.scriptEach(scripts.attempt, key, [
        token,
        ttlMs,
        entry,
        again ? 1 : 0,
        keepMs,
        trustIn(connection),
        capacity,
        mode,
      ])
      const attempted = readAttempt(reply as unknown[], token, ttlMs, sentAt)
      if (replicas !== undefined && 'fence' in attempted) await confirm(engine, token, replicas)
      return attempted
    },
    async release({ token, pass, own = '', entry = '' }) {
      const sentAt = clock.now()
      const reply = await connection.scriptEach(scripts.release, key, [
        token,
        pass?.token ?? '',
        pass?.ttlMs ?? 0,
        pass?.first === true ? 1 : 0,
        own,
        entry,
        trustIn(connection),
        capacity,
        mode,
      ])
      return readRelease(reply as unknown[], sentAt)
    },
    async extend(token, ttlMs, claim) {
      const sentAt = clock.now()
      const args = [token, ttlMs, keepMs, mode, claim ? 1 : 0]
      const reply = await connection.scriptEach(scripts.extend, key, args)
      const [code, fence] = reply as unknown[]
      if (code !== 1) return undefined
      if (replicas !== undefined) await replicas.confirm(engine.what)
      return { token, fence: Number(fence), ttlMs, sentAt }
    },
    async inspect() {
      return readSnapshot((await connection.scriptEach(scripts.inspect, key, [])) as unknown[])
    },
    async unclaimed(token, until) {
      if (!deps.single) return true
      const reply = await connection.read({ name: 'hmget', key, args: ['t', 'u'] })
      const [holder, till] = reply as (string | null)[]
      return holder === token && till === until
    },
  }
  return engine
}

/** Counts of subscribers are per server: in a cluster nobody is taken for dead by them. */
function trustIn(connection: Connection): 0 | 1 {
  return connection.isCluster ? 0 : 1
}

/** Gives back what too few replicas have. */
async function confirm(engine: Engine, token: string, replicas: ReplicaCheck): Promise<void> {
  try {
    await replicas.confirm(engine.what)
  } catch (error) {
    engine.release({ token }).catch(() => undefined)
    throw error
  }
}
