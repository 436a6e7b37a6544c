import { spawnWorkers, startRedis } from '../../src/index.ts'

/** Starts servers and workers, tells their pids, and waits to be killed. */
const redis = await startRedis({ mode: 'replica', prefer: 'binary' })
const module = new URL('./misbehave.ts', import.meta.url)
const workers = await spawnWorkers(module, { count: 2, env: { FAIL: 'hang' } })
await redis.pause('replica')
workers.pause(1)
process.stdout.write(
  `${JSON.stringify([...redis.nodes.map((node) => node.pid), ...workers.pids])}\n`,
)
setInterval(() => {}, 1_000)
