import { describeValue } from './duration.ts'

/**
 * The commands of Redis that change nothing, answer at once and have a key for their first argument.
 * All others are refused: a write would go round the script that keeps it from taking effect late,
 * and a blocking command would hold up the queue. WAIT is for a connection of one's own, as locks
 * with `replicas` have it.
 */
const readCommands: ReadonlySet<string> = new Set(
  `
  BITCOUNT BITFIELD_RO BITPOS GET GETBIT GETRANGE LCS MGET STRLEN DUMP EXISTS EXPIRETIME
  PEXPIRETIME PTTL SORT_RO SUBSTR TTL TYPE HEXISTS HGET HGETALL HKEYS HLEN HMGET HRANDFIELD HSCAN
  HSTRLEN HEXPIRETIME HPEXPIRETIME HPTTL HTTL HVALS LINDEX LLEN LPOS LRANGE SCARD SDIFF SINTER
  SISMEMBER SMEMBERS SMISMEMBER SRANDMEMBER SSCAN SUNION ZCARD ZCOUNT ZLEXCOUNT ZMSCORE ZRANDMEMBER
  ZRANGE ZRANK ZRANGEBYLEX ZRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN
  ZSCORE PFCOUNT XLEN XPENDING XRANGE XREVRANGE GEODIST GEOHASH GEOPOS GEORADIUSBYMEMBER_RO
  GEORADIUS_RO GEOSEARCH WAIT
  `
    .trim()
    .split(/\s+/),
)

/** @throws TypeError */
export function requireReadCommand(name: unknown): void {
  if (typeof name === 'string' && readCommands.has(name.toUpperCase())) return
  throw new TypeError(
    `name: must be a command that only reads, with a key first, such as HGET, received ${describeValue(name)}`,
  )
}
