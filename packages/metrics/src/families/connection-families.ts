import type { BreakerState } from '../listen/connection-events.ts'
import type { BreakerFigures, MetricsSnapshot } from '../snapshot.ts'
import { counter, type Family, type Sample } from './family.ts'

const stateNumbers: Readonly<Record<BreakerState, number>> = { closed: 0, open: 1, 'half-open': 2 }

function perNode(
  name: `cache_${string}`,
  help: string,
  read: (node: BreakerFigures['nodes'][number]) => number,
): Family {
  return {
    name,
    type: 'gauge',
    help,
    labels: ['node'],
    aggregator: 'sum',
    read: ({ connection }) =>
      (connection?.breaker.nodes ?? []).map((node) => {
        return { labels: { node: node.node }, value: read(node) }
      }),
  }
}

function stateSamples({ connection }: MetricsSnapshot): readonly Sample[] {
  return (connection?.breaker.nodes ?? []).flatMap(({ node, read, write }) => [
    { labels: { node, side: 'read' }, value: stateNumbers[read] },
    { labels: { node, side: 'write' }, value: stateNumbers[write] },
  ])
}

/** What is told of a connection. */
export const connectionFamilies: readonly Family[] = [
  {
    name: 'cache_circuit_breaker_state',
    type: 'gauge',
    help: 'State of a breaker: 0 closed, 1 open, 2 half-open.',
    labels: ['node', 'side'],
    aggregator: 'max',
    read: stateSamples,
  },
  {
    name: 'cache_circuit_breaker_transitions_total',
    type: 'counter',
    help: 'Changes of a breaker, by the state that it came into.',
    labels: ['node', 'side', 'to'],
    aggregator: 'sum',
    read: ({ connection }) =>
      (connection?.breaker.transitions ?? []).map(({ count, ...labels }) => {
        return { labels, value: count }
      }),
  },
  {
    name: 'cache_redis_commands_total',
    type: 'counter',
    help: 'Commands that were sent to Redis, by how they ended.',
    labels: ['outcome'],
    aggregator: 'sum',
    read: ({ connection }) =>
      (['ok', 'error', 'deadline', 'lost'] as const).flatMap((outcome) =>
        connection === undefined
          ? []
          : [{ labels: { outcome }, value: connection.commands[outcome] }],
      ),
  },
  counter(
    'cache_redis_calls_total',
    'Calls that shared those commands.',
    ({ connection }) => connection?.commands.calls,
  ),
  counter(
    'cache_redis_reconnects_total',
    'How often a connection to Redis was made again.',
    ({ connection }) => connection?.reconnectAttempts,
  ),
  perNode('cache_redis_pending_commands', 'Commands in flight.', ({ pending }) => pending),
  perNode('cache_redis_queued_calls', 'Calls that wait for a place in flight.', (n) => n.queued),
]
