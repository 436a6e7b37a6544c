import type { Connection } from '@corral/connection'

/** Requests that run at once, one step of one of them at a time. */
export interface Interleaving {
  /** The same connection, whose calls wait until it is their turn. */
  readonly connection: Connection
  /**
   * Runs all of them to their end; which goes next is chosen by `picks`, over and over again.
   *
   * @returns what each came to; what it threw, if it did
   */
  run(requests: readonly (() => Promise<unknown>)[], picks: readonly number[]): Promise<unknown[]>
}

export function interleaving(connection: Connection): Interleaving {
  const waiting: (() => Promise<unknown>)[] = []

  function inTurn<Args extends unknown[], T>(
    call: (...args: Args) => Promise<T>,
  ): (...args: Args) => Promise<T> {
    return (...args) =>
      new Promise((resolve, reject) => {
        waiting.push(() => call(...args).then(resolve, reject))
      })
  }

  return {
    connection: Object.create(connection, {
      script: { value: inTurn(connection.script) },
      read: { value: inTurn(connection.read) },
      get: { value: inTurn(connection.get) },
    }) as Connection,
    async run(requests, picks) {
      let left = requests.length
      const results = requests.map((request) =>
        request()
          .catch((error: unknown) => error)
          .finally(() => left--),
      )
      for (let step = 0; left > 0; step++) {
        // By then whoever can go on has come to its next call, or to its end.
        await new Promise((resolve) => setImmediate(resolve))
        const next = picks[step % picks.length]! % Math.max(1, waiting.length)
        await waiting.splice(next, 1)[0]?.()
      }
      return Promise.all(results)
    },
  }
}
