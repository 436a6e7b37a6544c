import type { Clock, Connection } from '@corral/connection'
import type { LockScripts } from '../scripts/lock-scripts.ts'
import { holdOf } from '../scripts/mutex-lua.ts'
import type { LockKind } from '../trace.ts'
import type {
  Attempted,
  AttemptRequest,
  Grant,
  Released,
  ReleaseRequest,
  Snapshot,
} from './replies.ts'
import { isGrant, readAttempt, readRelease, readSnapshot } from './replies.ts'
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
  /** One that rejects may have been done all the same: its token is to be given back. */
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

  // Counts of subscribers are per server: in a cluster nobody is taken for dead by them. Whether it
  // is one may be known only after the first call.
  let inCluster: boolean | undefined
  let releaseTerms = ''
  let attemptTerms = ''
  let termsOf = { ttlMs: 0, channel: '', again: false }
  function lookAround(): void {
    if (inCluster === connection.isCluster) return
    inCluster = connection.isCluster
    releaseTerms = `${inCluster ? 0 : 1} ${deps.single ? keepMs : capacity} ${mode}`
    attemptTerms = ''
  }
  /** Kept from one call to the next: most of one lock ask alike. */
  function termsFor({ ttlMs, channel, again }: AttemptRequest): string {
    lookAround()
    const { ttlMs: lastTtlMs, channel: lastChannel, again: lastAgain } = termsOf
    if (
      attemptTerms === '' ||
      ttlMs !== lastTtlMs ||
      channel !== lastChannel ||
      again !== lastAgain
    ) {
      termsOf = { ttlMs, channel, again }
      const trust = inCluster ? 0 : 1
      attemptTerms = `${ttlMs} ${again ? 1 : 0} ${trust} ${keepMs} ${capacity} ${mode} ${channel}`
    }
    return attemptTerms
  }

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
    async attempt(request) {
      const { token, ttlMs } = request
      const sentAt = clock.now()
      const args = [token, termsFor(request)]
      const reply = await connection.scriptEach(scripts.attempt, key, args)
      const attempted = readAttempt(reply, token, ttlMs, sentAt)
      if (replicas !== undefined && isGrant(attempted)) await replicas.confirm(engine.what)
      return attempted
    },
    async release(request) {
      const sentAt = clock.now()
      lookAround()
      const args = [request.token, releaseTerms + nextHolder(request)]
      return readRelease(await connection.scriptEach(scripts.release, key, args), sentAt)
    },
    async extend(token, ttlMs, claim) {
      const sentAt = clock.now()
      const args = [token, ttlMs, keepMs, mode, claim ? 1 : 0]
      const fence = Number(await connection.scriptEach(scripts.extend, key, args))
      if (fence === 0) return undefined
      if (replicas !== undefined) await replicas.confirm(engine.what)
      return { token, fence, ttlMs, sentAt }
    },
    async inspect() {
      return readSnapshot((await connection.scriptEach(scripts.inspect, key, [])) as unknown[])
    },
    async unclaimed(token, until) {
      if (!deps.single) return true
      const text = await connection.read({ name: 'get', key })
      const hold = typeof text === 'string' ? holdOf(text) : undefined
      return hold?.token === token && hold.until === until
    },
  }
  return engine
}

/** The end of the second argument of `release`. */
function nextHolder({ pass, own = '', entry = '' }: ReleaseRequest): string {
  if (pass === undefined && own === '' && entry === '') return ''
  const first = pass?.first === true ? 1 : 0
  return ` ${pass?.token ?? '-'} ${pass?.ttlMs ?? 0} ${first} ${own === '' ? '-' : own} ${entry}`
}
