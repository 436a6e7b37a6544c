import {
  decodeEntry,
  encodeEntry,
  entryIdentity,
  isDead,
  leaseText,
  leaseToken,
  namespaceStampKey,
  refreshLeaseKey,
  seenStamps,
  tagStampKey,
  type Stamps,
} from '../../../src/protocol/index.ts'
import { run, step, type Command, type Flow } from './command.ts'
import type { Guards } from './guards.ts'
import type { Ledger } from './ledger.ts'
import {
  leaseScript,
  refreshScript,
  stampScript,
  sweepScript,
  type WriteOperation,
  writeScript,
} from '../protocol.ts'

export const NAMESPACE = 'm'
export const LEASE_MS = 100
export const DEADLINE_MS = 50
const ENTRY_MS = 3_600_000

/** What a client process knows and is given. */
export interface Client {
  readonly ledger: Ledger
  readonly guards: Guards
  readonly skewUs: number
  /** Tags of every key. */
  readonly tags: readonly string[]
  /** Every data key. */
  readonly keys: readonly string[]
  /** Stamps this process has made or read. */
  readonly known: Map<string, number>
  /** Set when a stamp was not acknowledged: it may have run all the same, and kill what is set within the skew. */
  unsure: boolean
  /** Server time at a key's node, µs, as the client estimates it. */
  now(key: string): number
  spawn(name: string, flow: Flow): void
}

export const stampKeys = (tags: readonly string[]): string[] => [
  namespaceStampKey(NAMESPACE),
  ...tags.map((tag) => tagStampKey(NAMESPACE, tag)),
]

export function stampsOf(values: (key: string) => number): Stamps {
  return {
    namespace: values(namespaceStampKey(NAMESPACE)),
    tag: (name) => values(tagStampKey(NAMESPACE, name)),
  }
}

const deadline = (client: Client, key: string): number =>
  Math.floor(client.now(key) / 1000) + DEADLINE_MS

function* readStamps(client: Client): Generator<Command, Stamps, unknown> {
  const keys = stampKeys(client.tags)
  const values = yield* step<number[]>({ do: 'stamps', keys })
  keys.forEach((key, i) =>
    client.known.set(key, Math.max(values[i] as number, client.known.get(key) ?? 0)),
  )
  return stampsOf((key) => client.known.get(key) ?? 0)
}

function tailOf(client: Client, key: string, version: number, known: Stamps): string {
  const margin = 2 * client.skewUs + 1_000_000
  let seen = client.guards.has('seen')
    ? seenStamps(known, client.tags, client.now(key), margin)
    : undefined
  if (seen && !client.guards.has('seen-per-stamp')) seen = seen.map(() => Math.max(...(seen ?? [])))
  return encodeEntry({
    redisKey: key,
    value: { v: version },
    tags: client.tags,
    ...(seen && { seen }),
  }) as string
}

const write = (client: Client, key: string, operations: WriteOperation[], fallible = false) =>
  run(writeScript, { deadline: deadline(client, key), operations }, fallible)

export type LoaderFate = 'fills' | 'fails' | 'crashes'

/** getOrSet: read, lease, load, fill. */
export function* loader(client: Client, key: string, fate: LoaderFate = 'fills'): Flow {
  const { ledger } = client
  const token = leaseToken()
  const text = yield* step<string | undefined>({ do: 'get', key })
  let dead: string | undefined
  if (text !== undefined) {
    const stamps = yield* readStamps(client)
    const decoded = decodeEntry(text, key)
    if (decoded.kind === 'entry') {
      if (!isDead(decoded, stamps, client.skewUs)) return
      dead = entryIdentity(text)
    }
  }
  const known = new Map(client.known)
  const replies = yield* run(leaseScript, {
    keys: [key],
    deadline: deadline(client, key),
    token,
    ttlMs: LEASE_MS,
    dead: [dead],
  })
  const reply = replies?.[0]
  if (reply?.status !== 'held') return
  ledger.leaseGranted(key, token, reply.at + LEASE_MS * 1000, client.now(key))
  const version = yield* step<number>({ do: 'load', key })
  if (fate === 'crashes') return
  const identity = leaseText(token, reply.at)
  if (fate === 'fails') {
    yield* write(client, key, [{ op: 'remove', key, identity }])
    return
  }
  const tail = tailOf(
    client,
    key,
    version,
    stampsOf((stamp) => known.get(stamp) ?? 0),
  )
  yield* write(client, key, [{ op: 'fill', key, identity, ttlMs: ENTRY_MS, at: reply.at, tail }])
}

/** The refresh of an entry that is stale but readable. */
export function* refresher(client: Client, key: string): Flow {
  const token = leaseToken()
  const leaseKey = refreshLeaseKey(key)
  const text = yield* step<string | undefined>({ do: 'get', key })
  if (text === undefined || decodeEntry(text, key).kind !== 'entry') return
  const known = yield* readStamps(client)
  const identity = entryIdentity(text)
  const reply = yield* run(refreshScript, {
    key,
    leaseKey,
    deadline: deadline(client, key),
    token,
    ttlMs: LEASE_MS,
    identity,
  })
  if (reply?.status !== 'held') return
  client.ledger.leaseGranted(leaseKey, token, reply.at + LEASE_MS * 1000, client.now(key))
  const version = yield* step<number>({ do: 'load', key })
  const tail = tailOf(client, key, version, known)
  yield* write(client, key, [
    { op: 'fill', key, identity, ttlMs: ENTRY_MS, at: reply.at, tail },
    { op: 'remove', key: leaseKey, identity: leaseText(token, reply.at) },
  ])
}

export type Change = 'set' | 'delete' | 'tag' | 'clear' | 'foreign-set' | 'foreign-delete'

/** One process that changes the source and then says so, each time in another way. */
export function* writer(client: Client, changes: readonly [Change, string][]): Flow {
  for (const [change, key] of changes) yield* changeOnce(client, change, key)
}

function* changeOnce(client: Client, change: Change, key: string): Flow {
  const { ledger } = client
  const version = yield* step<number>({ do: 'change', key })
  ledger.released(key)
  switch (change) {
    case 'set': {
      const known = stampsOf((stamp) => client.known.get(stamp) ?? 0)
      const tail = tailOf(client, key, version, known)
      const reply = yield* write(client, key, [{ op: 'set', key, ttlMs: ENTRY_MS, tail }], true)
      if (reply?.outcomes[0] !== 'done') return
      ledger.invalidated(key, version, 'key')
      if (!client.unsure) ledger.stored(key, version)
      return
    }
    case 'delete': {
      const reply = yield* write(client, key, [{ op: 'delete', key }], true)
      if (reply && reply.outcomes[0] !== 'late') ledger.invalidated(key, version, 'key')
      return
    }
    case 'foreign-set':
      yield* step({ do: 'foreign-set', key, text: JSON.stringify({ value: { v: version } }) })
      ledger.invalidated(key, version, 'key')
      return
    case 'foreign-delete':
      yield* step({ do: 'foreign-delete', key })
      ledger.invalidated(key, version, 'key')
      return
    case 'tag':
    case 'clear':
      yield* stampOnce(client, change)
  }
}

function* stampOnce(client: Client, change: 'tag' | 'clear'): Flow {
  const { ledger } = client
  // A stamp reaches every key, as of what its source holds now.
  const versions = client.keys.map((key) => [key, ledger.load(key)] as const)
  for (const key of client.keys) ledger.released(key)
  const stampKey = stampKeys(client.tags)[change === 'clear' ? 0 : 1] as string
  const reply = yield* run(
    stampScript,
    { keys: [stampKey], deadline: deadline(client, stampKey), ttlMs: Infinity },
    true,
  )
  const stamp = reply?.[0]
  if (stamp === undefined) {
    client.unsure = true
    return
  }
  client.known.set(stampKey, stamp)
  for (const [key, version] of versions) ledger.invalidated(key, version, 'stamp')
  if (change === 'clear') client.spawn('sweep', sweeper(client, stamp))
}

function* sweeper(client: Client, stamp: number): Flow {
  const keys = yield* step<string[]>({ do: 'scan' })
  for (const key of keys) {
    yield* run(sweepScript, {
      keys: [key],
      deadline: deadline(client, key),
      stamp,
      skewUs: client.skewUs,
      prefix: `${NAMESPACE}::`,
    })
  }
}

/** Somebody who keeps a list at the key. */
export function* listKeeper(key: string): Flow {
  yield* step({ do: 'foreign-list', key })
}

export function* memoryPressure(): Flow {
  yield* step({ do: 'memory', full: true })
  yield* step({ do: 'memory', full: false })
}
