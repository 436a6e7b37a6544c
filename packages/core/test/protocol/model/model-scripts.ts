import { createHash } from 'node:crypto'
import { composeEntry, leaseText, stampKills } from '../../../src/protocol/index.ts'
import {
  leaseScript,
  refreshScript,
  stampScript,
  sweepScript,
  type LeaseReply,
  type LeaseRequest,
  type Outcome,
  type RefreshReply,
  type RefreshRequest,
  type Script,
  type StampReply,
  type StampRequest,
  type SweepReply,
  type SweepRequest,
  type WriteOperation,
  type WriteReply,
  type WriteRequest,
  writeScript,
} from '../protocol.ts'
import type { Guards } from './guards.ts'
import type { MiniRedis, ScriptContext } from './mini-redis.ts'

/** The Lua scripts once more, in TypeScript, on the model; differential.test.ts holds the two together. */
export function runOnModel<Q, R>(
  redis: MiniRedis,
  guards: Guards,
  script: Script<Q, R>,
  request: Q,
): R {
  const model = models.get(script)
  if (!model) throw new Error(`no model of ${script.name}`)
  return model(redis, guards, request as never) as R
}

const models = new Map<Script<never, unknown>, (r: MiniRedis, g: Guards, q: never) => unknown>([
  [leaseScript, lease],
  [refreshScript, refresh],
  [writeScript, write],
  [stampScript, stamp],
  [sweepScript, sweep],
])

function isLate(redis: MiniRedis, guards: Guards, key: string, deadlineMs: number): boolean {
  return guards.has('deadline') && redis.now(key) > deadlineMs * 1000
}

function holds(redis: MiniRedis, key: string, id: string): boolean | 'wrong-type' {
  const cell = redis.cell(key)
  if (!cell) return false
  if (cell.type !== 'string') return 'wrong-type'
  if (id.startsWith('{')) return cell.text.startsWith(id)
  return createHash('sha1').update(cell.text).digest('hex') === id
}

const OPENING = '{"lease":"'
const leased = (redis: MiniRedis, key: string): boolean =>
  redis.cell(key)?.text.startsWith(OPENING) ?? false
const leaseAt = (text: string): number => Number(/(\d+)\}$/.exec(text)?.[1])
const ceilMs = (us: number): number => Math.round(us / 1000)

function lease(redis: MiniRedis, guards: Guards, request: LeaseRequest): LeaseReply[] {
  const { keys, token, ttlMs } = request
  if (isLate(redis, guards, keys[0] as string, request.deadline)) {
    return keys.map(() => ({ status: 'late' }))
  }
  return redis.script((script) =>
    keys.map((key, i): LeaseReply => {
      const cell = redis.cell(key)
      if (cell && cell.type !== 'string') return { status: 'wrong-type' }
      if (cell?.text.startsWith(OPENING)) {
        if (cell.text.startsWith(`${OPENING}${token}"`)) {
          return { status: 'held', at: leaseAt(cell.text) }
        }
        if (cell.endsAt !== undefined && guards.has('one-lease')) {
          return { status: 'busy', remainingMs: ceilMs(cell.endsAt - redis.now(key)) }
        }
      } else if (cell) {
        const dead = request.dead?.[i]
        const known = guards.has('dead-is-known') ? holds(redis, key, dead ?? '') === true : true
        if (!dead || !known) return { status: 'entry', text: cell.text }
      }
      const at = redis.now(key)
      if (script.set(key, leaseText(token, at), ttlMs) === 'OOM') return { status: 'full' }
      return { status: 'held', at }
    }),
  )
}

function refresh(redis: MiniRedis, guards: Guards, request: RefreshRequest): RefreshReply {
  const { key, leaseKey, token } = request
  if (isLate(redis, guards, key, request.deadline)) return { status: 'late' }
  const same = holds(redis, key, request.identity)
  if (same === 'wrong-type') return { status: 'wrong-type' }
  if (!same) return { status: 'changed', text: redis.cell(key)?.text ?? null }
  const held = redis.cell(leaseKey)
  if (held?.type === 'string') {
    if (held.text.startsWith(`${OPENING}${token}"`))
      return { status: 'held', at: leaseAt(held.text) }
    if (held.endsAt !== undefined && guards.has('one-lease')) {
      return { status: 'busy', remainingMs: ceilMs(held.endsAt - redis.now(leaseKey)) }
    }
  }
  const at = redis.now(key)
  return redis.script((script) =>
    script.set(leaseKey, leaseText(token, at), request.ttlMs) === 'OOM'
      ? { status: 'full' }
      : { status: 'held', at },
  )
}

function write(redis: MiniRedis, guards: Guards, request: WriteRequest): WriteReply {
  const { deadline, operations } = request
  const first = operations[0]?.key ?? ''
  if (isLate(redis, guards, first, deadline)) {
    return { outcomes: operations.map(() => 'late') }
  }
  return redis.script((script) => ({
    outcomes: operations.map((operation) => writeOne(redis, guards, script, operation)),
  }))
}

function writeOne(
  redis: MiniRedis,
  guards: Guards,
  script: ScriptContext,
  operation: WriteOperation,
): Outcome {
  const { key } = operation
  const now = redis.now(key)
  const full = redis.full && guards.has('room-first')
  const store = (at: number, ttlMs: number, tail: string): Outcome => {
    if (full) {
      if (leased(redis, key)) script.del(key)
      return 'full'
    }
    if (!guards.has('room-first')) script.del(key)
    const end = ttlMs === Infinity ? undefined : Math.floor(now / 1000) + ttlMs
    return script.set(key, composeEntry(tail, at, end), end === undefined ? 0 : ttlMs) === 'OK'
      ? 'done'
      : 'full'
  }
  if (operation.op === 'set') return store(now, operation.ttlMs, operation.tail)
  if (operation.op === 'delete') {
    const lease = leased(redis, key)
    if (lease && !guards.has('delete-breaks-lease')) return 'lost'
    return script.del(key) === 1 && !lease ? 'done' : 'lost'
  }
  const same = holds(redis, key, operation.identity)
  const unguarded =
    operation.op === 'remove'
      ? !guards.has('release-compares')
      : operation.op === 'fill' &&
        !guards.has(
          operation.identity.startsWith(OPENING) ? 'fill-needs-lease' : 'refresh-compares',
        )
  if (same === 'wrong-type' && guards.has('fill-checks-type')) return 'wrong-type'
  if (same === false && !unguarded) return 'lost'
  switch (operation.op) {
    case 'remove':
      return script.del(key) === 1 ? 'done' : 'lost'
    case 'extend': {
      const cell = redis.cell(key)
      if (cell) redis.cells.set(key, { ...cell, endsAt: now + operation.ttlMs * 1000 })
      return 'done'
    }
    case 'fill':
      return store(
        guards.has('loaded-at-lease') ? operation.at : now,
        operation.ttlMs,
        operation.tail,
      )
  }
}

function stamp(redis: MiniRedis, guards: Guards, request: StampRequest): StampReply {
  const { keys } = request
  if (isLate(redis, guards, keys[0] as string, request.deadline)) return undefined
  return redis.script((script) =>
    keys.map((key) => {
      const previous = redis.cell(key)
      const now = redis.now(key)
      const value = Math.max(now, Number(previous?.text ?? 0) + 1)
      const forever = request.ttlMs === Infinity || (previous && previous.endsAt === undefined)
      const left = previous?.endsAt === undefined ? 0 : ceilMs(previous.endsAt - now)
      script.del(key)
      const full = redis.overruns.length
      script.set(key, String(value), forever ? 0 : Math.max(request.ttlMs, left))
      redis.overruns.length = full // a stamp is meant to be written when full
      return value
    }),
  )
}

function sweep(redis: MiniRedis, guards: Guards, request: SweepRequest): SweepReply {
  const { keys, stamp: stampUs, skewUs, prefix } = request
  if (isLate(redis, guards, keys[0] as string, request.deadline)) return undefined
  let removed = 0
  redis.script((script) => {
    for (const key of keys) {
      const cell = redis.cell(key)
      if (!cell || !key.startsWith(prefix)) continue
      const at = /^(?:\{"c":\d+|\{"lease":"[^"]*"),"at":(\d+)/.exec(cell.text)?.[1]
      const seen = Number(
        /^\{"c":\d+,"at":\d+(?:,"expires":\d+)?,"seen":\[(\d+)/.exec(cell.text)?.[1] ?? 0,
      )
      const dead =
        cell.type !== 'string' ||
        at === undefined ||
        !guards.has('sweep-compares') ||
        stampKills(stampUs, Number(at), seen, skewUs)
      if (dead) removed += script.del(key)
    }
  })
  return removed
}
