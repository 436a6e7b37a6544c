import { channel } from 'node:diagnostics_channel'
import { context, metrics as api, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import type { Context, ContextManager } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { fakeClock } from '@corral/testing'
import { afterEach, describe, expect, it } from 'vitest'
import type { CacheCounts, MeasuredCache } from '../measured.ts'
import { createMetrics } from '../metrics.ts'
import { observeMetrics, traceOperations } from './index.ts'

function countingCache(name: string): MeasuredCache & { live: Record<string, number> } {
  const live: Record<string, number> = { hits: 0, nearHits: 0, misses: 0 }
  return {
    live,
    source: { kind: 'cache', name },
    counts: () => live as unknown as CacheCounts,
  }
}

const heard = (): string[] =>
  ['hit', 'miss', 'set', 'delete', 'load', 'lease-wait', 'invalidate']
    .map((event) => `corral:core:${event}`)
    .concat(['acquired', 'refused', 'released'].map((event) => `corral:locks:${event}`))
    .filter((name) => channel(name).hasSubscribers)

afterEach(() => {
  api.disable()
  trace.disable()
  context.disable()
})

describe('observeMetrics', () => {
  it('gives the figures to an SDK, and ends', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
    const provider = new MeterProvider({ readers: [reader] })
    api.setGlobalMeterProvider(provider)
    const cache = countingCache('shop:v1')
    using metrics = createMetrics({ cache, clock: fakeClock() })
    let snapshots = 0
    const stop = observeMetrics({
      ...metrics,
      snapshot() {
        snapshots++
        return metrics.snapshot()
      },
    })
    Object.assign(cache.live, { hits: 95, nearHits: 40, misses: 5 })
    const of = { source: cache.source, key: 'k' }
    channel('corral:core:hits').publish({
      ...of,
      count: 1,
      tier: 'remote',
      stale: false,
      duration: 2,
      size: 9,
    })
    await reader.forceFlush()

    const points = new Map(
      exporter
        .getMetrics()
        .flatMap(({ scopeMetrics }) =>
          scopeMetrics.flatMap(({ metrics: all }) =>
            all.flatMap(({ descriptor, dataPoints }) =>
              dataPoints.map(({ attributes, value }): [string, number] => [
                `${descriptor.name} ${descriptor.unit} ${JSON.stringify(attributes)}`,
                value as number,
              ]),
            ),
          ),
        ),
    )
    expect(points.get('cache.hit_rate  {"cache":"shop:v1","window":"5m"}')).toBe(0.95)
    expect(points.get('cache.hits  {"cache":"shop:v1","tier":"near"}')).toBe(40)
    expect(points.get('cache.hits  {"cache":"shop:v1","tier":"remote"}')).toBe(55)
    expect(points.get('cache.misses  {"cache":"shop:v1"}')).toBe(5)
    expect(points.get('cache.read_bytes By {"cache":"shop:v1"}')).toBe(9)
    const latency = 'cache.operation_latency'
    const hit = '"cache":"shop:v1","operation":"hit"'
    expect(points.get(`${latency} s {${hit},"quantile":"0.5"}`)).toBeCloseTo(0.002, 4)
    expect(points.get(`${latency}.count  {${hit}}`)).toBe(1)
    expect(points.get(`${latency}.sum s {${hit}}`)).toBeCloseTo(0.002, 9)

    // An SDK tells cumulative counts on; nobody asks for new ones.
    stop()
    const asked = snapshots
    await reader.forceFlush()
    expect([asked, snapshots]).toEqual([1, 1])
    await provider.shutdown()
  })

  it('asks for nothing when no SDK is installed', () => {
    let snapshots = 0
    using metrics = createMetrics({ cache: countingCache('shop:v1'), clock: fakeClock() })
    const stop = observeMetrics({
      ...metrics,
      snapshot() {
        snapshots++
        return metrics.snapshot()
      },
    })
    stop()
    expect(snapshots).toBe(0)
  })
})

describe('traceOperations', () => {
  function install(): InMemorySpanExporter {
    const exporter = new InMemorySpanExporter()
    const provider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    })
    trace.setGlobalTracerProvider(provider)
    return exporter
  }

  it('makes spans with start and end, below the span they were asked in, without any key', () => {
    const exporter = install()
    context.setGlobalContextManager(stackedContexts())
    const clock = fakeClock()
    const cache = countingCache('shop:v1')
    const stop = traceOperations({ clock })
    const of = { source: cache.source, namespace: 'shop:v1', key: 'canary-key' }
    const lock = {
      source: { kind: 'locks', name: 'shop:v1' },
      name: 'canary-name',
      kind: 'mutex',
    }
    const parent = trace.getTracer('test').startSpan('request')
    context.with(trace.setSpan(context.active(), parent), () => {
      channel('corral:core:load').publish({ ...of, outcome: 'failed', behind: false, duration: 20 })
      channel('corral:core:lease-wait').publish({ ...of, outcome: 'value', duration: 5 })
      channel('corral:core:hit').publish({ ...of, tier: 'remote', stale: false, duration: 1 })
      channel('corral:locks:acquired').publish({ ...lock, waited: 7, fencingToken: 1 })
      channel('corral:locks:released').publish({ ...lock, held: 70, acknowledged: true })
      channel('corral:locks:refused').publish({ ...lock, waited: 9, code: 'LOCK_TIMEOUT' })
    })
    stop()
    channel('corral:core:load').publish({ ...of, outcome: 'stored', behind: false, duration: 20 })

    const spans = exporter.getFinishedSpans()
    const ms = ([seconds, nanos]: readonly [number, number]): number =>
      seconds * 1_000 + nanos / 1e6
    expect(
      spans.map((span) => [span.name, ms(span.endTime) - ms(span.startTime), span.status.code]),
    ).toEqual([
      ['cache.load', 20, 2],
      ['cache.lease_wait', 5, 0],
      ['lock.wait', 7, 0],
      ['lock.hold', 70, 0],
      ['lock.wait', 9, 2],
    ])
    expect(spans.map((span) => span.parentSpanContext?.spanId)).toEqual(
      spans.map(() => parent.spanContext().spanId),
    )
    expect(spans[0]?.attributes).toEqual({
      'corral.namespace': 'shop:v1',
      'corral.outcome': 'failed',
      'corral.behind': false,
    })
    expect(JSON.stringify(spans.map(({ name, attributes }) => [name, attributes]))).not.toContain(
      'canary',
    )
    expect(heard()).toEqual([])
  })

  it('makes spans of single calls when asked to, of one cache only when told which', () => {
    const exporter = install()
    const [ours, theirs] = [countingCache('shop:v1'), countingCache('shop:v1')]
    const stop = traceOperations({ cache: ours, calls: true })
    for (const { source } of [ours, theirs]) {
      channel('corral:core:hit').publish({ source, key: 'k', tier: 'remote', duration: 1 })
      channel('corral:core:near-hit').publish({ source, key: 'k', stale: false })
      channel('corral:core:set').publish({ source, key: 'k', stored: true, duration: 1 })
    }
    stop()
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(['cache.get', 'cache.set'])
  })

  it('refuses options that it does not know, also when no SDK is installed', () => {
    expect(() => traceOperations({ call: true } as never)).toThrow(
      /^call: is no option of traceOperations \(cache, .*\), received true$/,
    )
    expect(() => traceOperations(null as never)).toThrow(/^options: must be an object, .* null$/)
    const { ...metrics } = createMetrics({ cache: countingCache('shop:v1') })
    expect(() => observeMetrics(metrics, { metre: 1 } as never)).toThrow(
      /^metre: is no option of observeMetrics \(meter\), received 1$/,
    )
    metrics.close()
    expect(heard()).toEqual([])
  })

  it('listens to nothing when no SDK is installed', () => {
    const stop = traceOperations({ calls: true })
    expect(heard()).toEqual([])
    stop()
  })
})

/** The least that the API takes: contexts of synchronous calls. */
function stackedContexts(): ContextManager {
  const stack: Context[] = [ROOT_CONTEXT]
  const manager: ContextManager = {
    active: () => stack.at(-1) ?? ROOT_CONTEXT,
    with(inner, fn, self, ...args) {
      stack.push(inner)
      try {
        return fn.apply(self as never, args)
      } finally {
        stack.pop()
      }
    },
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  }
  return manager
}
