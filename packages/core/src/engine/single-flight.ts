/** One call under way for a key, shared by all who ask for it meanwhile. */
export interface Flight {
  result: Promise<unknown>
  /** Set or deleted since it began: what it brings is old, must not be stored nor joined. */
  superseded: boolean
  /** How many wait that can leave; `Infinity` once somebody waits who cannot. */
  callers: number
  /** Made when the loader first asks for its signal. */
  abort: AbortController | undefined
  /** Why the last caller left, once all have. */
  abandoned: { readonly reason: unknown } | undefined
}

/** The calls under way in one cache, by Redis key. */
export interface SingleFlight {
  /** The flight that a new caller may share. */
  readonly find: (key: string) => Flight | undefined
  /** Begins one; it is found from now on. Whoever begins it sets its `result` at once. */
  readonly begin: (key: string) => Flight
  /** It has settled, and is found no more. */
  readonly end: (key: string, flight: Flight) => void
  /** The key is being set or deleted: who asks from now on must not get the older value. */
  readonly supersede: (key: string) => void
  /** Waits for a flight that this caller will not leave. */
  readonly wait: (flight: Flight) => Promise<unknown>
  /** Waits for a flight until `signal` aborts; the last one to leave aborts the loader. */
  readonly waitUntil: (key: string, flight: Flight, signal: AbortSignal) => Promise<unknown>
}

const notStarted: Promise<unknown> = Promise.resolve()

export function createSingleFlight(): SingleFlight {
  const flights = new Map<string, Flight>()

  function remove(key: string, flight: Flight): void {
    if (flights.get(key) === flight) flights.delete(key)
  }

  function leave(key: string, flight: Flight, reason: unknown): void {
    flight.callers -= 1
    if (flight.callers > 0) return
    remove(key, flight)
    flight.abandoned = { reason }
    flight.abort?.abort(reason)
  }

  return {
    find: (key) => flights.get(key),

    begin(key) {
      const flight: Flight = {
        result: notStarted,
        superseded: false,
        callers: 0,
        abort: undefined,
        abandoned: undefined,
      }
      flights.set(key, flight)
      return flight
    },

    end: remove,

    supersede(key) {
      const flight = flights.get(key)
      if (flight === undefined) return
      flight.superseded = true
      flights.delete(key)
    },

    wait(flight) {
      flight.callers = Infinity
      return flight.result
    },

    waitUntil(key, flight, signal) {
      flight.callers += 1
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          leave(key, flight, signal.reason)
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', onAbort, { once: true })
        const settled = (): void => signal.removeEventListener('abort', onAbort)
        // Also where this caller has left: a late failure must not go unhandled.
        flight.result.then(
          (value) => {
            settled()
            resolve(value)
          },
          (error: Error) => {
            settled()
            reject(error)
          },
        )
      })
    },
  }
}
