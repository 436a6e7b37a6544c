import type { Argument } from '@corral/connection'

/** What changes a structure, by its name in Redis. */
export type StructureWrite =
  | 'HSET'
  | 'HDEL'
  | 'HINCRBY'
  | 'LPUSH'
  | 'RPUSH'
  | 'LPOP'
  | 'RPOP'
  | 'LTRIM'
  | 'SADD'
  | 'SREM'

/** What reads one. */
export type StructureRead =
  | 'HGET'
  | 'HGETALL'
  | 'HEXISTS'
  | 'HLEN'
  | 'HKEYS'
  | 'LRANGE'
  | 'LLEN'
  | 'SMEMBERS'
  | 'SISMEMBER'
  | 'SCARD'

/** Where structures stand, by Redis key. Calls reject with a `CorralError`; replies are as in RESP2. */
export interface StructureStore {
  read(redisKey: string, command: StructureRead, args: readonly Argument[]): Promise<unknown>
  /** `ttlMs` is given to a structure that this call creates; `Infinity` for no end. */
  write(
    redisKey: string,
    command: StructureWrite,
    args: readonly Argument[],
    ttlMs: number,
  ): Promise<unknown>
}
