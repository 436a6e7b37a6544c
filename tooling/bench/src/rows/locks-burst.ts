import { setTimeout as sleep } from 'node:timers/promises'
import { shareConnection } from '@corral/connection'
import { createLocks, type Locks } from '@corral/locks'
import { monitor } from '@corral/testing'
import type { Redis } from 'ioredis'
import type { Contender } from '../harness/alternate.ts'
import { burstsOf } from '../harness/bursts.ts'
import { compare } from '../harness/compare.ts'
import type { Row } from '../harness/row.ts'
import { openRedlock, openSesamecare, type Redlock, TUNED } from '../peers/lock-peers.ts'

const WAITERS = 32
const HOLD_MS = 1
const TTL_MS = 30_000

/** 32 callers who want one lock at once, on one client and on four; each holds it for 1 ms. */
export const locksBurstRow: Row = {
  name: 'locks-burst',
  async *measure(bed, effort) {
    const { url, client } = await bed.standalone()
    for (const clients of [1, 4]) {
      const open = (): Redis[] => Array.from({ length: clients }, () => client())
      const locks = open().map((each) =>
        createLocks({
          connection: shareConnection(each),
          namespace: 'burst',
          ttl: `${TTL_MS}ms`,
          wait: '30s',
        }),
      )
      const size = `${clients}x${WAITERS / clients}`
      const redlock = (settings?: typeof TUNED): Redlock[] =>
        open().map((each) => openRedlock(each, settings))
      const tuned = ofRedlock('redlock 10 ms', redlock(TUNED))
      const byDefault = ofRedlock('redlock', redlock())
      const fork = ofRedlock(
        'sesamecare 10 ms',
        open().map((each) => openSesamecare(each, TUNED)),
      )
      for (const kind of ['plain', 'fair'] as const) {
        const corral = ofCorral(locks, kind)
        const own = await commandsOf(url, corral)
        const theirs = await commandsOf(url, tuned)
        const name = `lock ${kind}, ${size} waiters (commands each: ${own}; redlock 10 ms ${theirs})`
        yield await compare(
          {
            name: `${name}, x redlock 10 ms`,
            floor: { kind: 'ratio', value: 1.8, lead: 1.1 },
            raw: tuned,
            corral,
            peers: bed.withPeers ? [fork] : [],
          },
          effort,
        )
        yield await compare(
          {
            name: `lock ${kind}, ${size} waiters, x redlock by default`,
            floor: { kind: 'ratio', value: 10 },
            raw: byDefault,
            corral,
          },
          { ...effort, turns: 2 },
        )
      }
      for (const each of locks) await each.close()
    }
  },
}

function ofCorral(locks: readonly Locks[], kind: 'plain' | 'fair'): Contender {
  return burstsOf('corral', WAITERS, async (caller) => {
    const each = locks[caller % locks.length]!
    const lock = await (kind === 'fair' ? each.fair('fair').acquire() : each.acquire('plain'))
    await sleep(HOLD_MS)
    await lock.release()
    return true
  })
}

function ofRedlock(name: string, instances: readonly Redlock[]): Contender {
  return burstsOf(name, WAITERS, async (caller) => {
    const redlock = instances[caller % instances.length]!
    // By default it gives up after ten looks.
    const lock = await redlock.acquire([name], TTL_MS).catch(() => undefined)
    if (lock === undefined) return false
    await sleep(HOLD_MS)
    await lock.release()
    return true
  })
}

/** Commands that clients sent, and those inside scripts, per caller served in one burst. */
async function commandsOf(url: string, contender: Contender): Promise<string> {
  await contender.run(1)
  const { hostname, port } = new URL(url)
  await using watch = await monitor({ host: hostname, port: Number(port) })
  const { operations } = await contender.run(1)
  const all = await watch.commands({ lua: true })
  const sent = all.filter(({ lua }) => !lua).length
  const each = (count: number): string => (count / operations).toFixed(1)
  return `${each(sent)} + ${each(all.length - sent)} inside`
}
