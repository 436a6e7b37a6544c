import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  spawnWorkers,
  startProxy,
  startRedis,
  type FaultProxy,
  type Workers,
} from '@corral/testing'
import { checkHistory, type Hold, type Violation } from './history.ts'
import type { TortureOrder } from './worker.ts'

export interface TortureOptions {
  readonly processes: number
  readonly acquisitions: number
  readonly locks: number
  /** Callers per process. */
  readonly callers: number
  readonly kind: TortureOrder['kind']
  /**
   * Stops 1 % of the holders for longer than the ttl, kills holders, drops and delays replies, cuts
   * connections (so that commands are resent), restarts Redis with `appendonly yes`.
   */
  readonly faults: boolean
}

export interface TortureReport {
  readonly acquisitions: number
  readonly violations: readonly Violation[]
  /**
   * Writes that the fence took, less what the counters show: updates that were overwritten. Below 0
   * when a process was killed after a write and before it could note it.
   */
  readonly lostUpdates: number
  /** Holds that had not run out when their release found them gone. */
  readonly stolen: number
  readonly stops: number
  readonly kills: number
  readonly restarts: number
  readonly cuts: number
  readonly seconds: number
}

const TTL_MS = 400

/** Processes that fight for few locks, while as much goes wrong as the options say. */
export async function torture(options: TortureOptions): Promise<TortureReport> {
  const { processes, acquisitions, faults } = options
  const directory = mkdtempSync(join(tmpdir(), 'corral-torture-'))
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always']
  await using redis = await startRedis({ prefer: 'binary', args: faults ? durable : [] })
  await using safe = await startRedis({ prefer: 'binary' })
  const startedAt = performance.now()
  const counts = { stops: 0, kills: 0, restarts: 0, cuts: 0 }
  const logs: string[] = []
  const proxies: FaultProxy[] = []
  const running = new Set<Workers<number>>()
  let over = false

  async function start(place: number, log: string, share: number): Promise<Workers<number>> {
    logs.push(log)
    const order: TortureOrder = {
      port: proxies[place]?.port ?? redis.port,
      safePort: safe.port,
      log,
      acquisitions: share,
      locks: options.locks,
      callers: options.callers,
      ttlMs: TTL_MS,
      stops: faults ? 0.01 : 0,
      kind: options.kind,
    }
    const worker = await spawnWorkers<number>(new URL('./worker.ts', import.meta.url), {
      count: 1,
      data: order,
    })
    running.add(worker)
    return worker
  }

  /** A worker, and after each kill another one in its place, until they have done its share. */
  async function place(index: number): Promise<void> {
    let left = Math.ceil(acquisitions / processes)
    while (left > 0) {
      const log = join(directory, `${logs.length}.log`)
      const worker = await start(index, log, left)
      const [result] = await worker.results()
      running.delete(worker)
      left -= result ?? readLogs([log]).holds.length
    }
  }

  async function wakeStopped(): Promise<void> {
    const since = new Map<number, number>()
    while (!over) {
      await sleep(20)
      for (const worker of running) {
        const [pid] = worker.pids
        if (pid === undefined || stateOf(pid) !== 'T') continue
        const seen = since.get(pid) ?? performance.now()
        since.set(pid, seen)
        if (performance.now() - seen < TTL_MS * 1.5) continue
        since.delete(pid)
        counts.stops++
        worker.resume(0)
      }
    }
  }

  async function disturb(): Promise<void> {
    while (!over) {
      await sleep(100 + Math.random() * 300)
      const proxy = proxies[Math.floor(Math.random() * proxies.length)]!
      const dice = Math.random()
      if (dice < 0.35) {
        counts.cuts++
        // Armed until a reply of that kind goes by.
        void proxy.dropNextReply({ command: 'EVALSHA' })
      } else if (dice < 0.55) {
        counts.cuts++
        proxy.reset()
      } else if (dice < 0.75) {
        proxy.latency(20, 150)
        await sleep(200)
        await proxy.heal()
      } else if (dice < 0.85) {
        proxy.blackHole()
        await sleep(300)
        await proxy.heal()
      } else if (dice < 0.93) {
        const [...all] = running
        const victim = all[Math.floor(Math.random() * all.length)]
        if (victim !== undefined && stateOf(victim.pids[0] ?? 0) !== '') {
          counts.kills++
          await victim.kill(0)
        }
      } else {
        counts.restarts++
        await redis.kill()
        await redis.restart()
      }
    }
  }

  try {
    if (faults) {
      for (let i = 0; i < processes; i++) proxies.push(await startProxy({ target: redis }))
    }
    const troubles = faults ? [wakeStopped(), disturb()] : []
    await Promise.all(Array.from({ length: processes }, (_, i) => place(i)))
    over = true
    await Promise.all(troubles)
    const { holds, writes, stolen } = readLogs(logs)
    const stored = await Promise.all(
      Array.from({ length: options.locks }, (_, i) =>
        safe.command('HGET', `corral:fenced:{torture::lock:${i}}`, 'v'),
      ),
    )
    return {
      acquisitions: holds.length,
      violations: checkHistory(holds),
      lostUpdates: writes - stored.reduce<number>((sum, value) => sum + Number(value), 0),
      stolen,
      ...counts,
      seconds: (performance.now() - startedAt) / 1000,
    }
  } finally {
    over = true
    await Promise.all([...running].map((worker) => worker.stop()))
    await Promise.all(proxies.map((proxy) => proxy.close()))
    rmSync(directory, { recursive: true, force: true })
  }
}

function readLogs(logs: readonly string[]): {
  holds: Hold[]
  writes: number
  stolen: number
} {
  const open = new Map<string, { -readonly [Name in keyof Hold]: Hold[Name] }>()
  const holds: Hold[] = []
  let writes = 0
  let stolen = 0
  for (const log of logs) {
    for (const line of readFileSync(log, 'utf8').split('\n').filter(Boolean)) {
      const [what, ...rest] = JSON.parse(line) as [string, ...unknown[]]
      if (what === 'w') writes++
      else if (what === 's') stolen++
      else if (what === 'a') {
        const [lock, token, fence, from, to] = rest as [string, string, number, number, number]
        const hold = { lock, token, fence, from, to }
        open.set(token, hold)
        holds.push(hold)
      } else {
        const [token, at] = rest as [string, number]
        const hold = open.get(token)
        if (hold !== undefined) hold.to = Math.min(hold.to, at)
      }
    }
  }
  return { holds, writes, stolen }
}

/** The process's state as Linux tells it: `T` while it is stopped; empty when it has gone. */
function stateOf(pid: number): string {
  try {
    return /\) (\S) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? ''
  } catch {
    return ''
  }
}
