import { startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { decodeEntry, encodeEntry, type DecodedEntry } from '../../src/protocol/index.ts'
import { runScript, serverNow } from './run-script.ts'
import {
  incrementScript,
  leaseScript,
  type IncrementReply,
  type IncrementRequest,
  type LeaseReply,
  type Outcome,
  type WriteOperation,
  writeScript,
} from './protocol.ts'

/** Importing this gives a test file a server of its own, emptied before each test. */
export const KEY = 's::k'
export const LEASE = { token: 'me', ttlMs: 60_000 }
export let server: TestRedis
export let redis: Redis
export let deadline: number

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})
/** For tests of what comes late. */
export function setDeadline(ms: number): void {
  deadline = ms
}

beforeEach(async () => {
  await setMaxmemory('0')
  await server.command('FLUSHALL')
  deadline = (await serverNow(redis)) + 60_000
})

export async function setMaxmemory(bytes: string): Promise<void> {
  await server.command('CONFIG', 'SET', 'maxmemory', bytes)
}
export async function keysLike(pattern: string): Promise<string[]> {
  return (await server.command('KEYS', pattern)) as string[]
}

export const tail = (value: unknown, more: object = {}): string =>
  encodeEntry({ redisKey: KEY, value, ...more }) as string
export const setting = (
  value: unknown,
  ttlMs: number = 60_000,
  key: string = KEY,
): WriteOperation => ({
  op: 'set',
  key,
  ttlMs,
  tail: encodeEntry({ redisKey: key, value }) as string,
})
export async function write(...operations: WriteOperation[]): Promise<readonly Outcome[]> {
  return (await runScript(redis, writeScript, { deadline, operations })).outcomes
}
export async function read(key: string = KEY): Promise<DecodedEntry> {
  return decodeEntry((await redis.get(key)) ?? '', key) as DecodedEntry
}
export async function lease(token: string = 'me', dead?: string): Promise<LeaseReply | undefined> {
  const request = { keys: [KEY], deadline, token, ttlMs: 60_000, dead: [dead] }
  return (await runScript(redis, leaseScript, request))[0]
}
export const increment = (more: Partial<IncrementRequest> = {}): Promise<IncrementReply> =>
  runScript(redis, incrementScript, {
    key: KEY,
    deadline,
    by: 1,
    ttlMs: Infinity,
    renew: 'create',
    stamp: 0,
    skewUs: 0,
    ...more,
  })
