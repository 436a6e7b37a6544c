import type { Clock, ConnectionHealth } from '@corral/connection'
import type { Latencies } from './latency/latencies.ts'
import { type BreakerState, listenToConnection } from './listen/connection-events.ts'
import type { MeasuredConnection } from './measured.ts'
import type { MetricsSnapshot } from './snapshot.ts'

export interface ConnectionFigures {
  /** Asks the connection for its health, which takes up to its deadline. Does not reject. */
  read(): Promise<NonNullable<MetricsSnapshot['connection']>>
  stop(): void
}

const worstFirst: readonly BreakerState[] = ['open', 'half-open', 'closed']

export function measureConnection(
  connection: MeasuredConnection,
  latencies: Latencies,
  clock: Clock,
): ConnectionFigures {
  const events = listenToConnection(connection, latencies, () => clock.wallNow())
  let last: ConnectionHealth | undefined

  return {
    async read() {
      try {
        last = await connection.health()
      } catch {
        // A closed connection has no health; what it did last stays told.
      }
      const nodes = (last?.nodes ?? []).map(({ node, read, write, pending, queued }) => {
        return { node, read, write, pending, queued }
      })
      const states = nodes.flatMap(({ read, write }) => [read, write])
      return {
        breaker: {
          state: worstFirst.find((state) => states.includes(state)) ?? 'closed',
          nodes,
          transitions: events.transitions.read(),
          recent: [...events.recent],
        },
        commands: { ...events.commands },
        reconnectAttempts: last?.reconnectAttempts ?? 0,
      }
    },
    stop: events.stop,
  }
}
