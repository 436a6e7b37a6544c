import { describeValue } from '@corral/connection'
import type { Metric, Registry } from 'prom-client'
import type { Family, Sample } from '../families/family.ts'
import { families } from '../families/families.ts'
import type { Metrics } from '../metrics.ts'
import type { MetricsSnapshot } from '../snapshot.ts'

/** What prom-client asks of a metric. */
interface ReadMetric {
  /** Written by prom-client for OpenMetrics. */
  name: string
  readonly help: string
  readonly type: Family['type']
  readonly aggregator: Family['aggregator']
  get(): Promise<object>
  /** The counts are those of the cache itself, which are not set back. */
  reset(): void
}

interface ReadValue {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly metricName?: string
}

/**
 * Adds the figures to a registry of prom-client, whose `metrics()` then tells them. One snapshot
 * serves a scrape.
 *
 * @param metrics all that the registry is to tell, each with a name of its own
 * @returns takes them out again
 * @throws TypeError when two have one name, or for what is no registry or no metrics
 *
 * @example
 * ```ts
 * import { createCache } from '@corral/core'
 * import { createMetrics } from '@corral/metrics'
 * import { exposeMetrics } from '@corral/metrics/prometheus'
 * import { Registry } from 'prom-client'
 *
 * const metrics = createMetrics({ cache: createCache({ namespace: 'shop:v1' }) })
 * const registry = new Registry()
 * exposeMetrics(registry, metrics)
 * console.log(await registry.metrics())
 * ```
 */
export function exposeMetrics(
  registry: Pick<Registry, 'registerMetric' | 'removeSingleMetric'>,
  metrics: Metrics | readonly Metrics[],
): () => void {
  if (typeof registry?.registerMetric !== 'function') {
    throw new TypeError(
      `registry: must be a Registry of prom-client, received ${describeValue(registry)}`,
    )
  }
  const all: readonly Metrics[] = Array.isArray(metrics) ? metrics : [metrics]
  for (const each of all) {
    if (typeof each?.snapshot !== 'function') {
      throw new TypeError(
        `metrics: must be of createMetrics, or an array of such, received ${describeValue(each)}`,
      )
    }
  }
  const names = all.map(({ name }) => name)
  const twice = names.find((name, place) => names.indexOf(name) !== place)
  if (twice !== undefined) {
    throw new TypeError(`metrics: two are named "${twice}"; give createMetrics a name for each`)
  }

  /** prom-client asks all metrics within one tick: they share this. */
  let pending: Promise<readonly MetricsSnapshot[]> | undefined
  function snapshots(): Promise<readonly MetricsSnapshot[]> {
    pending ??= Promise.all(all.map((each) => each.snapshot())).finally(() => (pending = undefined))
    return pending
  }

  const added: string[] = []
  for (const family of families) {
    const { name, help, type, aggregator } = family
    const metric: ReadMetric = {
      name,
      help,
      type,
      aggregator,
      async get() {
        const values = (await snapshots()).flatMap((snapshot) => valuesOf(family, snapshot))
        return { name: this.name, help, type, aggregator, values }
      },
      reset() {},
    }
    registry.registerMetric(metric as unknown as Metric)
    added.push(name)
  }
  return () => {
    for (const name of added.splice(0)) registry.removeSingleMetric(name)
  }
}

function valuesOf({ name, read }: Family, snapshot: MetricsSnapshot): readonly ReadValue[] {
  return read(snapshot).map(({ labels, value, part }: Sample) => ({
    labels: { cache: snapshot.name, ...labels },
    value,
    ...(part !== undefined && { metricName: `${name}_${part}` }),
  }))
}
