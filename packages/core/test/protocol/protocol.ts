import { defineScript } from '@corral/connection'
import {
  deleteArgs,
  expireArgs,
  expireScript as expire,
  extendArgs,
  fillArgs,
  incrementArgs,
  incrementReply,
  incrementScript as increment,
  leaseArgs,
  leaseReply,
  leaseScript as lease,
  refreshArgs,
  refreshReply,
  refreshScript as refresh,
  removeArgs,
  setArgs,
  writeScript as write,
  type IncrementReply as Incremented,
  type IncrementRequest as Increment,
  type LeaseReply as Leased,
} from '../../src/protocol/index.ts'
import { stampLua } from '../../src/protocol/stamp-script.ts'
import { sweepLua } from '../../src/protocol/sweep-script.ts'

/**
 * The protocol's scripts as calls with a request and a reply, so that a model can stand in for Redis and a
 * test can say when a call is too late. The connection does the same with `deadline` and error replies.
 */
export interface Script<Request, Reply> {
  readonly name: string
  readonly lua: string
  encode(request: Request): ScriptCall
  /** `raw` is an Error where Redis answered with one. */
  decode(raw: unknown, call: ScriptCall): Reply
}

export interface ScriptCall {
  readonly keys: readonly string[]
  /** Without the deadline, which goes before them. */
  readonly args: readonly (string | number | Buffer)[]
}

/** Each request has the end of its caller's patience, in milliseconds of server time. */
export interface Timed {
  readonly deadline: number
}

export type Outcome = 'done' | 'lost' | 'late' | 'full' | 'wrong-type'
type Refused = { readonly status: 'late' | 'full' | 'wrong-type' }

/** What an error reply means; undefined for what is none. */
export function refusalOf(raw: unknown): Refused['status'] | undefined {
  if (!(raw instanceof Error)) return undefined
  if (raw.message.startsWith('CORRALLATE')) return 'late'
  if (raw.message.startsWith('OOM')) return 'full'
  if (raw.message.startsWith('WRONGTYPE')) return 'wrong-type'
  throw raw
}

const outcomeOf = (raw: unknown): Outcome =>
  refusalOf(raw) ?? (raw === undefined || raw === 1 ? 'done' : 'lost')

function elements(raw: unknown, count: number): unknown[] {
  return Array.from({ length: count }, (_, i) =>
    raw instanceof Error ? raw : (raw as unknown[])[i],
  )
}

const refused = (raw: unknown): Refused | undefined => {
  const status = refusalOf(raw)
  return status && { status }
}

export interface LeaseRequest extends Timed {
  readonly keys: readonly string[]
  readonly token: string
  readonly ttlMs: number
  /** Identity of the dead entry per key, where the caller has read one. */
  readonly dead?: readonly (string | undefined)[]
}
export type LeaseReply = Leased | Refused

export const leaseScript: Script<LeaseRequest, LeaseReply[]> = {
  name: 'lease',
  lua: lease.lua,
  encode: ({ keys, token, ttlMs, dead }) => ({
    keys,
    args: keys.flatMap((_, i) => leaseArgs(token, ttlMs, dead?.[i] ?? '')),
  }),
  decode: (raw, { keys }) =>
    elements(raw, keys.length).map((element) => refused(element) ?? leaseReply(element)),
}

export interface RefreshRequest extends Timed {
  readonly key: string
  readonly leaseKey: string
  readonly token: string
  readonly ttlMs: number
  readonly identity: string
}
export type RefreshReply =
  | { readonly status: 'held'; readonly at: number }
  | { readonly status: 'busy'; readonly remainingMs: number }
  | { readonly status: 'changed'; readonly text: string | null }
  | Refused

export const refreshScript: Script<RefreshRequest, RefreshReply> = {
  name: 'refresh',
  lua: refresh.lua,
  encode: ({ key, leaseKey, token, ttlMs, identity }) => ({
    keys: [key, leaseKey],
    args: refreshArgs(token, ttlMs, identity),
  }),
  decode: (raw) => refused(raw) ?? refreshReply(raw),
}

export type WriteOperation =
  | { readonly op: 'set'; readonly key: string; readonly ttlMs: number; readonly tail: string }
  | {
      readonly op: 'fill'
      readonly key: string
      readonly identity: string
      readonly ttlMs: number
      readonly at: number
      readonly tail: string
    }
  | { readonly op: 'delete'; readonly key: string }
  | { readonly op: 'remove'; readonly key: string; readonly identity: string }
  | {
      readonly op: 'extend'
      readonly key: string
      readonly identity: string
      readonly ttlMs: number
    }
export interface WriteRequest extends Timed {
  readonly operations: readonly WriteOperation[]
}
export interface WriteReply {
  readonly outcomes: readonly Outcome[]
}

function argsOf(it: WriteOperation): readonly (string | number | Buffer)[] {
  switch (it.op) {
    case 'set':
      return setArgs(it.ttlMs, it.tail)
    case 'fill':
      return fillArgs(it.identity, it.ttlMs, it.at, it.tail)
    case 'delete':
      return deleteArgs
    case 'remove':
      return removeArgs(it.identity)
    case 'extend':
      return extendArgs(it.identity, it.ttlMs)
  }
}

export const writeScript: Script<WriteRequest, WriteReply> = {
  name: 'write',
  lua: write.lua,
  encode: ({ operations }) => ({
    keys: operations.map(({ key }) => key),
    args: operations.flatMap(argsOf),
  }),
  decode: (raw, { keys }) => ({ outcomes: elements(raw, keys.length).map(outcomeOf) }),
}

export const expireScript: Script<Timed & { key: string; ttlMs: number }, Outcome> = {
  name: 'expire',
  lua: expire.lua,
  encode: ({ key, ttlMs }) => ({ keys: [key], args: expireArgs(ttlMs) }),
  decode: (raw) => outcomeOf(elements(raw, 1)[0]),
}

export type IncrementRequest = Timed & Increment & { readonly key: string }
export type IncrementReply = Incremented | Refused

export const incrementScript: Script<IncrementRequest, IncrementReply> = {
  name: 'increment',
  lua: increment.lua,
  encode: (request) => ({ keys: [request.key], args: incrementArgs(request) }),
  decode(raw) {
    const [element] = elements(raw, 1)
    return refused(element) ?? incrementReply(element)
  },
}

export interface StampRequest extends Timed {
  readonly keys: readonly string[]
  readonly ttlMs: number
}
/** Undefined if late. */
export type StampReply = readonly number[] | undefined

export const stampScript: Script<StampRequest, StampReply> = {
  name: 'stamp',
  lua: defineScript({ name: 'stamp', lua: stampLua }).lua,
  encode: ({ keys, ttlMs }) => ({ keys, args: [ttlMs === Infinity ? 0 : ttlMs] }),
  decode: (raw) => (refusalOf(raw) === undefined ? (raw as unknown[]).map(Number) : undefined),
}

export interface SweepRequest extends Timed {
  readonly keys: readonly string[]
  readonly stamp: number
  readonly skewUs: number
  readonly prefix: string
}
/** How many keys went; undefined if late. */
export type SweepReply = number | undefined

export const sweepScript: Script<SweepRequest, SweepReply> = {
  name: 'sweep',
  lua: defineScript({ name: 'sweep', lua: sweepLua }).lua,
  encode: ({ keys, stamp, skewUs, prefix }) => ({
    keys,
    args: keys.flatMap(() => [stamp, skewUs, prefix, '1']),
  }),
  decode: (raw) =>
    refusalOf(raw) === undefined
      ? (raw as unknown[]).reduce<number>((sum, gone) => sum + Number(gone), 0)
      : undefined,
}
