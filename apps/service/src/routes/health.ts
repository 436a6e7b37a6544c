import type { RouteGroup } from '../context.ts'

/**
 * For load balancers and people. Without Redis the service still answers from its source: that is
 * `degraded`, not down, so that nobody takes it out of service for it.
 */
export const healthRoutes: RouteGroup =
  ({ cache, connection, database, queue, stopping }) =>
  async (app) => {
    app.get('/health', async (_, reply) => {
      const { status, healthy, latency, error } = await cache.health()
      const working = healthy && connection.available && queue.running
      reply.header('cache-control', 'no-store')
      if (stopping()) reply.code(503)
      return {
        status: stopping() ? 'stopping' : working ? 'ok' : 'degraded',
        uptime: Math.round(process.uptime()),
        cache: {
          status,
          ...(latency === undefined ? {} : { latency }),
          ...(error ? { error } : {}),
        },
        queue: { status: working ? 'ok' : 'waiting for Redis' },
        source: { status: 'ok', queries: database.queries },
      }
    })
  }
