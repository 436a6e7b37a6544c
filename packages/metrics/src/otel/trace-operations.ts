import {
  ProxyTracerProvider,
  SpanStatusCode,
  trace,
  type Attributes,
  type Tracer,
} from '@opentelemetry/api'
import { type Clock, type SourceId, systemClock } from '@corral/connection'
import { isOf, listen, type Tagged } from '../listen/listen.ts'
import { requireOptions } from '../require-options.ts'

/** Options of `traceOperations`. */
export interface TraceOptions {
  /** Only of this cache. @defaultValue every cache of this process */
  readonly cache?: { readonly source: SourceId }
  /** Only of this lock service. @defaultValue every one of this process */
  readonly locks?: { readonly source: SourceId }
  /** Spans of single reads, stores and deletes as well, near hits apart. @defaultValue false */
  readonly calls?: boolean
  /** @defaultValue `trace.getTracer('@corral/metrics')` of the API */
  readonly tracer?: Tracer
  /** @defaultValue the machine's clock */
  readonly clock?: Clock
}

const known: readonly string[] = [
  'cache',
  'locks',
  'calls',
  'tracer',
  'clock',
] satisfies (keyof TraceOptions)[]

type Timed = Tagged & { readonly duration: number }
type Ended = Timed & { readonly outcome: string }
type OfLock = Tagged & { readonly kind: string }

/**
 * Makes a span of each load, wait for another process, invalidation, wait for a lock and hold of
 * one, below the span in which it was asked for. No span carries a key or the name of a lock.
 *
 * A span is made when its work has ended, so what runs within a load stands beside it, not below.
 * Start the SDK before; without one nothing is listened to.
 *
 * @returns ends it
 * @throws TypeError naming the option, its rule and what was received
 */
export function traceOperations(options: TraceOptions = {}): () => void {
  requireOptions(options, 'traceOperations', known)
  const tracer = options.tracer ?? installedTracer()
  if (tracer === undefined) return () => {}
  const { clock = systemClock, cache, locks, calls = false } = options

  function span(
    name: string,
    message: Tagged,
    duration: number,
    attributes: Attributes,
    failed = false,
  ): void {
    const endTime = clock.wallNow()
    const made = tracer?.startSpan(name, {
      startTime: endTime - duration,
      attributes: { 'corral.namespace': message.source.name, ...attributes },
    })
    if (failed) made?.setStatus({ code: SpanStatusCode.ERROR })
    made?.end(endTime)
  }

  function ofCache<Message extends Timed>(
    name: string,
    attributesOf: (message: Message) => Attributes,
    hasFailed: (message: Message) => boolean = () => false,
  ): (message: Message) => void {
    return (message) => {
      if (!isOf(cache, message)) return
      span(name, message, message.duration, attributesOf(message), hasFailed(message))
    }
  }

  function ofLocks<Message extends OfLock>(
    name: string,
    durationOf: (message: Message) => number,
    attributesOf: (message: Message) => Attributes = () => ({}),
    failed = false,
  ): (message: Message) => void {
    return (message) => {
      if (!isOf(locks, message)) return
      const attributes = { 'corral.lock.kind': message.kind, ...attributesOf(message) }
      span(name, message, durationOf(message), attributes, failed)
    }
  }

  type Waited = OfLock & { readonly waited: number }
  return listen({
    'corral:core:load': ofCache(
      'cache.load',
      ({ outcome, behind }: Ended & { readonly behind?: boolean }) => ({
        'corral.outcome': outcome,
        'corral.behind': behind === true,
      }),
      ({ outcome }) => outcome === 'failed',
    ),
    'corral:core:lease-wait': ofCache('cache.lease_wait', ({ outcome }: Ended) => {
      return { 'corral.outcome': outcome }
    }),
    'corral:core:invalidate': ofCache(
      'cache.invalidate',
      ({
        kind,
        acknowledged,
      }: Timed & { readonly kind: string; readonly acknowledged: boolean }) => ({
        'corral.kind': kind,
        'corral.acknowledged': acknowledged,
      }),
    ),
    'corral:locks:acquired': ofLocks('lock.wait', ({ waited }: Waited) => waited),
    'corral:locks:refused': ofLocks(
      'lock.wait',
      ({ waited }: Waited & { readonly code: string }) => waited,
      ({ code }) => ({ 'corral.code': code }),
      true,
    ),
    'corral:locks:released': ofLocks(
      'lock.hold',
      ({ held }: OfLock & { readonly held: number }) => held,
    ),
    ...(calls && {
      'corral:core:hit': ofCache('cache.get', ({ tier }: Timed & { readonly tier: string }) => {
        return { 'corral.outcome': 'hit', 'corral.tier': tier }
      }),
      'corral:core:miss': ofCache(
        'cache.get',
        ({ reason }: Timed & { readonly reason: string }) => {
          return { 'corral.outcome': 'miss', 'corral.reason': reason }
        },
      ),
      'corral:core:set': ofCache(
        'cache.set',
        ({ stored }: Timed & { readonly stored: boolean }) => {
          return { 'corral.stored': stored }
        },
      ),
      'corral:core:delete': ofCache(
        'cache.delete',
        ({ acknowledged }: Timed & { readonly acknowledged: boolean }) => {
          return { 'corral.acknowledged': acknowledged }
        },
      ),
    }),
  })
}

/** The API answers without an SDK as well; that one is not worth a listener. */
function installedTracer(): Tracer | undefined {
  const name = '@corral/metrics'
  const provider = trace.getTracerProvider()
  const isProxy = provider instanceof ProxyTracerProvider || 'getDelegateTracer' in provider
  return isProxy
    ? (provider as ProxyTracerProvider).getDelegateTracer(name)
    : provider.getTracer(name)
}
