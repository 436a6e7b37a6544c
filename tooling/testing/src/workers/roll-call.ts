/** Counts who has arrived at which barrier, and opens each when the last one is there. */
export interface RollCall {
  arrived(member: number, barrier: string): void
  /** A member that has ended is no longer waited for. */
  left(member: number): void
  /** Waits until all stand at a gated barrier; returns what opens it. */
  gate(barrier: string): Promise<() => void>
  /** Ends all waiting for gates. */
  fail(error: Error): void
}

export function createRollCall(
  count: number,
  gates: readonly string[],
  open: (member: number, barrier: string) => void,
): RollCall {
  const members = new Set(Array.from({ length: count }, (_, i) => i))
  const present = new Map<string, Set<number>>()
  const keepers = new Map<string, PromiseWithResolvers<() => void>>()
  let failure: Error | undefined

  const complete = (barrier: string): boolean => {
    const here = present.get(barrier)
    return here !== undefined && here.size > 0 && [...members].every((member) => here.has(member))
  }
  const release = (barrier: string): void => {
    const here = present.get(barrier) ?? []
    present.delete(barrier)
    for (const member of here) open(member, barrier)
  }
  const check = (barrier: string): void => {
    if (!complete(barrier)) return
    if (!gates.includes(barrier)) return release(barrier)
    keepers.get(barrier)?.resolve(() => release(barrier))
    keepers.delete(barrier)
  }

  return {
    arrived(member, barrier) {
      const here = present.get(barrier) ?? new Set()
      present.set(barrier, here.add(member))
      check(barrier)
    },
    left(member) {
      members.delete(member)
      for (const [barrier, here] of present) {
        here.delete(member)
        check(barrier)
      }
    },
    gate(barrier) {
      if (!gates.includes(barrier)) {
        return Promise.reject(
          new Error(`'${barrier}' is not among the gates given to spawnWorkers`),
        )
      }
      if (failure !== undefined) return Promise.reject(failure)
      const keeper = keepers.get(barrier) ?? withResolvers<() => void>()
      keepers.set(barrier, keeper)
      check(barrier)
      return keeper.promise
    },
    fail(error) {
      failure = error
      for (const keeper of keepers.values()) keeper.reject(error)
      keepers.clear()
    },
  }
}

interface PromiseWithResolvers<T> {
  promise: Promise<T>
  resolve(value: T): void
  reject(error: Error): void
}

// Promise.withResolvers is not in Node 20.
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<T>((done, failed) => {
    resolve = done
    reject = failed
  })
  return { promise, resolve, reject }
}
