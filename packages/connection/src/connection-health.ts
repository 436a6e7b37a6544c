import type { Guard } from './guard/guard.ts'
import type { ConnectionHealth, NodeHealth } from './health.ts'
import { isCorralError } from './errors.ts'

/** Asks every server for a PING and puts the answers together. Never rejects. */
export async function connectionHealth(guard: Guard, closed: boolean): Promise<ConnectionHealth> {
  const { clock, deadlineMs } = guard.options
  const servers = closed ? [] : (guard.router?.masters() ?? [])
  let latency: number | undefined
  let error: string | undefined = closed ? 'this connection was closed' : undefined
  let answered = 0
  await Promise.all(
    servers.map(async ({ batcher, link }) => {
      const askedAt = clock.now()
      try {
        await batcher.plain('ping', [], deadlineMs)
      } catch (caught) {
        if (!servesReads(caught, link.health)) {
          error ??= isCorralError(caught) ? caught.message : 'Redis did not answer'
          return
        }
      }
      answered++
      latency = Math.max(latency ?? 0, clock.now() - askedAt)
    }),
  )
  const nodes: NodeHealth[] = servers.map(({ link }) => link.health)
  if (answered < servers.length || servers.length === 0) {
    const last = guard.lastError
    error = [error ?? 'Redis is not connected', last?.message].filter(Boolean).join(': ')
  }
  const refusesWrites = nodes.some((node) => node.write !== 'closed')
  const status =
    answered === 0 ? 'down' : answered < servers.length || refusesWrites ? 'degraded' : 'ok'
  const { state, tracking } = guard.signals.health()
  return {
    status,
    healthy: status === 'ok',
    latency,
    ...(error === undefined ? {} : { error }),
    reconnectAttempts: guard.reconnects,
    signals: { state, tracking },
    nodes,
  }
}

/** An ACL may forbid PING, and MISCONF refuses it together with the writes. */
function servesReads(error: unknown, { read, write }: NodeHealth): boolean {
  if (isCorralError(error, 'REDIS_REPLY')) return true
  const refused = isCorralError(error, 'REDIS_UNAVAILABLE') && error.reason === 'refused'
  return refused && read === 'closed' && write !== 'closed'
}
