import { exposeMetrics } from '@corral/metrics/prometheus'
import { Counter, Registry } from 'prom-client'
import type { RouteGroup } from '../context.ts'

/** Figures, for Prometheus and as JSON. They name no key and no user, and are as public as the health. */
export const metricsRoutes: RouteGroup =
  ({ database, metrics }) =>
  async (app) => {
    const registry = new Registry()
    const hide = exposeMetrics(registry, metrics)
    let told = 0
    // It registers itself.
    void new Counter({
      name: 'service_source_queries_total',
      help: 'Statements that reached the database',
      registers: [registry],
      collect() {
        const { queries: now } = database
        this.inc(now - told)
        told = now
      },
    })
    app.addHook('onClose', async () => {
      hide()
      registry.removeSingleMetric('service_source_queries_total')
    })

    app.get('/metrics', async (_, reply) => {
      reply.header('cache-control', 'no-store')
      return reply.type(registry.contentType).send(await registry.metrics())
    })

    app.get('/api/metrics', async (_, reply) => {
      reply.header('cache-control', 'no-store')
      return { ...(await metrics.snapshot()), source: { queries: database.queries } }
    })
  }
