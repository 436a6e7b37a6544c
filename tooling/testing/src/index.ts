export { accountWords, cacheAccount, clusterRules, sharedAccount } from './acl/least-account.ts'
export type { AccountRules, LeastAccount } from './acl/least-account.ts'
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
export { fakeClock } from './fake-clock.ts'
export type { FakeClock, FakeTimerHandle } from './fake-clock.ts'
export { memoryAfterGc } from './memory.ts'
export { monitor } from './monitor.ts'
export type { CommandFilter, Monitor, MonitoredCommand } from './monitor.ts'
export { settlesWithin } from './settles-within.ts'
export { startProxy } from './proxy/start-proxy.ts'
export type {
  Direction,
  FaultProxy,
  OneShot,
  ProxiedCommand,
  ProxyStats,
} from './proxy/start-proxy.ts'
export { markdownTable } from './markdown/table.ts'
export { replaceSection } from './markdown/written-section.ts'
export { recordTrace } from './trace-recorder.ts'
export type { TraceEvent, TraceRecorder } from './trace-recorder.ts'
export { runWorker } from './workers/run-worker.ts'
export type { WorkerContext } from './workers/run-worker.ts'
export { spawnWorkers } from './workers/spawn-workers.ts'
export type { SpawnWorkersOptions, WorkerReport, Workers } from './workers/spawn-workers.ts'
