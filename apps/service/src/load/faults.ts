import { setTimeout as sleep } from 'node:timers/promises'
import type { TestRedis } from '@corral/testing'

/** What is done to Redis, and when, as shares of the whole time. */
interface Fault {
  readonly from: number
  readonly to: number
  readonly name: string
  begin(redis: TestRedis): Promise<void>
  end(redis: TestRedis): Promise<void>
}

const FAULTS: readonly Fault[] = [
  {
    from: 0.2,
    to: 0.32,
    name: 'frozen (SIGSTOP)',
    begin: (redis) => redis.pause(),
    end: (redis) => redis.resume(),
  },
  {
    from: 0.5,
    to: 0.58,
    name: 'killed (SIGKILL), restarted',
    begin: (redis) => redis.kill(),
    end: (redis) => redis.restart(),
  },
  {
    from: 0.75,
    to: 0.8,
    name: 'frozen, killed, restarted',
    begin: (redis) => redis.pause(),
    end: async (redis) => {
      await redis.kill()
      await redis.restart()
    },
  },
]

/** A fault as it was, in milliseconds. */
export interface FaultDone {
  readonly name: string
  readonly tookMs: number
}

/** Does them one after the other. */
export async function playFaults(
  redis: TestRedis,
  durationMs: number,
  tell: (text: string) => void,
): Promise<readonly FaultDone[]> {
  const startedAt = performance.now()
  const until = (share: number): Promise<void> =>
    sleep(Math.max(0, startedAt + share * durationMs - performance.now()))
  const done: FaultDone[] = []
  for (const { from, to, name, begin, end } of FAULTS) {
    await until(from)
    const beganAt = performance.now()
    tell(`Redis: ${name}`)
    await begin(redis)
    await until(to)
    await end(redis)
    tell('Redis is back')
    done.push({ name, tookMs: performance.now() - beganAt })
  }
  return done
}
