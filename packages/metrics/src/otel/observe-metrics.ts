import {
  createNoopMeter,
  type Meter,
  metrics as api,
  type Observable,
  type BatchObservableResult,
} from '@opentelemetry/api'
import { families } from '../families/families.ts'
import type { Family } from '../families/family.ts'
import type { Metrics } from '../metrics.ts'
import { requireOptions } from '../require-options.ts'

/** Options of `observeMetrics`. */
export interface ObserveOptions {
  /** @defaultValue `metrics.getMeter('@corral/metrics')` of the API, as it is at this moment */
  readonly meter?: Meter
}

/**
 * Gives the figures to OpenTelemetry: as observable counters and gauges, named as those of
 * Prometheus with a dot behind `cache`. Start the SDK before; without one nothing is installed.
 *
 * @returns ends it
 *
 * @example
 * ```ts
 * import { createCache } from '@corral/core'
 * import { createMetrics } from '@corral/metrics'
 * import { observeMetrics } from '@corral/metrics/otel'
 *
 * const metrics = createMetrics({ cache: createCache({ namespace: 'shop:v1' }) })
 * const stop = observeMetrics(metrics)
 * ```
 */
export function observeMetrics(metrics: Metrics, options: ObserveOptions = {}): () => void {
  requireOptions(options, 'observeMetrics', ['meter'])
  const meter = options.meter ?? api.getMeter('@corral/metrics')
  if (meter === createNoopMeter()) return () => {}

  const instruments = new Map<string, Observable>()
  for (const family of families) {
    for (const part of family.type === 'summary' ? [undefined, 'sum', 'count'] : [undefined]) {
      instruments.set(instrumentId(family, part), createInstrument(meter, family, part))
    }
  }

  async function observe(result: BatchObservableResult): Promise<void> {
    const snapshot = await metrics.snapshot()
    for (const family of families) {
      for (const { labels, value, part } of family.read(snapshot)) {
        const instrument = instruments.get(instrumentId(family, part))
        if (instrument !== undefined) {
          result.observe(instrument, value, { cache: snapshot.name, ...labels })
        }
      }
    }
  }
  const all = [...instruments.values()]
  meter.addBatchObservableCallback(observe, all)
  return () => meter.removeBatchObservableCallback(observe, all)
}

function instrumentId({ name }: Family, part: string | undefined): string {
  return part === undefined ? name : `${name}_${part}`
}

function createInstrument(meter: Meter, family: Family, part: string | undefined): Observable {
  const { name, type, help: description } = family
  const base = name.replace(/^cache_/, 'cache.').replace(/_total$|_seconds$/, '')
  const unit = unitOf(name, part)
  const options = { description, ...(unit !== undefined && { unit }) }
  const isCounter = type === 'counter' || part !== undefined
  const full = part === undefined ? base : `${base}.${part}`
  return isCounter
    ? meter.createObservableCounter(full, options)
    : meter.createObservableGauge(full, options)
}

function unitOf(name: string, part: string | undefined): string | undefined {
  if (part === 'count') return undefined
  if (name.endsWith('_seconds')) return 's'
  return name.includes('_bytes') ? 'By' : undefined
}
