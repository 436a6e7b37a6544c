export { freePort, releasePort } from './free-port.ts'
export { startRedis } from './redis/start-redis.ts'
export type {
  NodeRef,
  RedisMode,
  RedisNode,
  RedisRole,
  RestartOptions,
  StartRedisOptions,
  TestRedis,
} from './redis/test-redis.ts'
export { openRawConnection } from './resp/raw-connection.ts'
export type { RawConnection, RawConnectionOptions } from './resp/raw-connection.ts'
export { RedisReplyError } from './resp/reply.ts'
export type { Reply } from './resp/reply.ts'
export { waitFor } from './wait-for.ts'
export type { WaitForOptions } from './wait-for.ts'
