import {
  type ConnectionSource,
  createKeyspace,
  defineEachScript,
  type EachScript,
  ownKey,
  shareConnection,
} from '@corral/connection'
import { fenceRefused } from '../errors.ts'

/** Values in Redis that only the newest holder of a lock can read for a change and write. */
export interface RedisFence extends AsyncDisposable {
  /**
   * Claims the value for this holder and reads it: from now on nobody with an older token can write.
   *
   * @throws CorralError FENCE_REFUSED when a newer holder has claimed it
   */
  read(key: string, fencingToken: number): Promise<string | null>
  /**
   * Writes the value if this holder's claim, made by {@link read}, still stands.
   *
   * @throws CorralError FENCE_REFUSED when a newer holder has claimed it, or this one has not: the
   * claim may also have been lost together with the value
   */
  write(key: string, value: string, fencingToken: number): Promise<void>
  close(): Promise<void>
}

export interface RedisFenceOptions {
  /** As {@link LocksOptions.connection}; may be another Redis than the locks'. */
  readonly connection: ConnectionSource
  readonly namespace: string
}

/** `f` is the newest token that claimed it, `v` the value. */
const fencedLua = (refused: string, operation: string): string => `
local out = {}
for i, key in ipairs(KEYS) do
  local token, value = ARGV[2 * i], ARGV[2 * i + 1]
  local newest = tonumber(redis.call('HGET', key, 'f') or '')
  if ${refused} then
    out[i] = { 0 }
  else
    ${operation}
  end
end
return out`

const readScript: EachScript = defineEachScript({
  name: 'fence-read',
  argsPerKey: 2,
  lua: fencedLua(
    'newest and newest > tonumber(token)',
    `redis.call('HSET', key, 'f', token)
    out[i] = { 1, redis.call('HGET', key, 'v') }`,
  ),
})

const writeScript: EachScript = defineEachScript({
  name: 'fence-write',
  argsPerKey: 2,
  lua: fencedLua(
    'newest ~= tonumber(token)',
    `redis.call('HSET', key, 'v', value)
    out[i] = { 1 }`,
  ),
})

/**
 * The recipe for Redis: one script that compares and writes, claimed by the first read. Without the
 * claim an old holder could still write between a new holder's read and write.
 *
 * @throws TypeError for wrong options
 */
export function createRedisFence(options: RedisFenceOptions): RedisFence {
  const keyspace = createKeyspace({ namespace: options.namespace })
  const connection = shareConnection(options.connection)
  const keyOf = (key: string): string => ownKey('fenced', keyspace.key(key))

  async function run(
    script: EachScript,
    key: string,
    token: number,
    value: string,
  ): Promise<unknown> {
    const [accepted, found] = (await connection.scriptEach(script, keyOf(key), [
      token,
      value,
    ])) as unknown[]
    if (accepted !== 1) throw fenceRefused(key, token)
    return found
  }

  const close = (): Promise<void> => connection.close()
  return {
    read: async (key, token) =>
      ((await run(readScript, key, token, '')) as string | undefined) ?? null,
    async write(key, value, token) {
      await run(writeScript, key, token, value)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
