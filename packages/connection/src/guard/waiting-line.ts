import type { CorralError } from '../errors.ts'
import type { Flight } from './flight.ts'

/** Flights that wait for a place, in order. */
export interface WaitingLine {
  /** How many calls wait. */
  readonly calls: number
  readonly empty: boolean
  push(flight: Flight): void
  /** A waiting flight ran out of time; the next {@link pass} drops it. */
  expired(flight: Flight): void
  /**
   * Lets flights go as far as they may. Once a write must wait, later writes wait as well, so that
   * two writes to one key never change places; reads may overtake.
   */
  pass(deps: {
    refusal(flight: Flight): CorralError | undefined
    mustWait(flight: Flight): boolean
    send(flight: Flight): void
    settle(flight: Flight, error: CorralError): void
  }): void
  /** Empties it. */
  clear(): readonly Flight[]
}

export function createWaitingLine(): WaitingLine {
  let flights: Flight[] = []
  let calls = 0

  function push(flight: Flight): void {
    flights.push(flight)
    calls += flight.calls
  }

  function clear(): readonly Flight[] {
    const all = flights
    flights = []
    calls = 0
    return all
  }

  return {
    get calls() {
      return calls
    },
    get empty() {
      return flights.length === 0
    },
    push,
    expired: (flight) => void (calls -= flight.calls),
    pass({ refusal, mustWait, send, settle }) {
      let writesWait = false
      for (const flight of clear()) {
        if (flight.settled) continue
        const isWrite = flight.effect !== 'read'
        const refused = refusal(flight)
        if (refused !== undefined) settle(flight, refused)
        else if ((isWrite && writesWait) || mustWait(flight)) {
          writesWait ||= isWrite
          push(flight)
        } else send(flight)
      }
    },
    clear,
  }
}
