import type { Clock } from '@corral/connection'

/** Counts what is under way, so that an end can wait for it. */
export interface Pending {
  begin(): void
  end(): void
  /** Resolves when nothing is under way, or after `timeoutMs`. */
  done(timeoutMs: number): Promise<void>
}

export function createPending(clock: Clock): Pending {
  let count = 0
  const idle = new Set<() => void>()
  return {
    begin() {
      count++
    },
    end() {
      if (--count > 0) return
      for (const resolve of idle) resolve()
      idle.clear()
    },
    done(timeoutMs) {
      if (count === 0) return Promise.resolve()
      return new Promise((resolve) => {
        const late = clock.setTimer(resolve, timeoutMs, { unref: true })
        idle.add(() => {
          clock.clearTimer(late)
          resolve()
        })
      })
    },
  }
}
