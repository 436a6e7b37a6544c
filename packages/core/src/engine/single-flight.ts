import type { HeldLease } from './lease.ts'
import type { DecodedEntry } from '../protocol/entry-format.ts'

/** One call under way for a key, shared by all who ask for it meanwhile. */
export interface Flight {
  result: Promise<unknown>
  /** Set or deleted since it began: what it brings is old, must not be stored nor joined. */
  superseded: boolean
  /** Its loader runs, or another process's is waited for. */
  loading: boolean
  /** A value past its ttl that may be served if loading fails or takes long. */
  stale: DecodedEntry | undefined
  /** It loads whatever is there. */
  forced: boolean
  /** What it brings is checked by a schema. */
  checked: boolean
  /** How many wait that can leave; `Infinity` once somebody waits who cannot. */
  callers: number
  /** Made when the loader first asks for its signal. */
  abort: AbortController | undefined
  /** Why the last caller left, once all have. */
  abandoned: { readonly reason: unknown } | undefined
  /** What this process holds for it, and has no use for once nobody waits. */
  lease: HeldLease | undefined
  /** Callers whose patience begins with the load. */
  impatient: (() => void)[] | undefined
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
  /** The key was set: who asks from now on must not wait for what began before that. */
  readonly detach: (key: string) => void
  /** As `detach` for every key: what is loaded may be stored, its lease or its stamps tell whether it is old. */
  readonly detachAll: () => void
  /** One caller leaves, and takes what it waited for with it if it was the last. */
  readonly leave: (key: string, flight: Flight, reason: unknown) => void
}

const notStarted: Promise<unknown> = Promise.resolve()

export function createSingleFlight(): SingleFlight {
  const flights = new Map<string, Flight>()

  function remove(key: string, flight: Flight): void {
    if (flights.get(key) === flight) flights.delete(key)
  }

  return {
    find: (key) => flights.get(key),

    begin(key) {
      const flight: Flight = {
        result: notStarted,
        superseded: false,
        loading: false,
        stale: undefined,
        forced: false,
        checked: false,
        callers: 0,
        abort: undefined,
        abandoned: undefined,
        lease: undefined,
        impatient: undefined,
      }
      flights.set(key, flight)
      return flight
    },

    end: remove,

    supersede(key) {
      // Most writes meet no load: a look into an empty table would first take the key's hash.
      const flight = flights.size === 0 ? undefined : flights.get(key)
      if (flight === undefined) return
      flight.superseded = true
      flights.delete(key)
    },

    detach(key) {
      if (flights.size > 0) flights.delete(key)
    },

    detachAll: () => flights.clear(),

    leave(key, flight, reason) {
      flight.callers -= 1
      if (flight.callers > 0) return
      remove(key, flight)
      flight.abandoned = { reason }
      flight.lease?.giveBack(false)
      flight.abort?.abort(reason)
    },
  }
}

/** The load has begun: the patience of those who wait runs from here. */
export function startLoading(flight: Flight): void {
  if (flight.loading) return
  flight.loading = true
  const { impatient } = flight
  flight.impatient = undefined
  if (impatient !== undefined) for (const begin of impatient) begin()
}
