import { createMetrics } from '@corral/metrics'
import { exposeMetrics } from '@corral/metrics/prometheus'
import { Counter, Registry } from 'prom-client'
import type { RouteGroup } from '../context.ts'

/** Figures for Prometheus. They name no key and no user, and are as public as the health. */
export const metricsRoutes: RouteGroup =
  ({ cache, database, locks }) =>
  async (app) => {
    const metrics = createMetrics({
      cache,
      locks,
      // Whatever is cached beside users counts as `other`.
      groups: [{ prefix: 'user:', name: 'users' }],
    })
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
      metrics.close()
    })

    app.get('/metrics', async (_, reply) => {
      reply.header('cache-control', 'no-store')
      return reply.type(registry.contentType).send(await registry.metrics())
    })
  }
