import { describeValue, type Duration, toShortMilliseconds } from '@corral/connection'
import {
  ErrorCode,
  type EvaluationContext,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
  ProviderNotReadyError,
  type ResolutionDetails,
} from '@openfeature/server-sdk'
import type { FlagEvaluation } from '../flags/evaluate.ts'
import type { Flags } from '../flags/flags.ts'

const ERROR_CODES = {
  FLAG_NOT_FOUND: ErrorCode.FLAG_NOT_FOUND,
  TYPE_MISMATCH: ErrorCode.TYPE_MISMATCH,
  PARSE_ERROR: ErrorCode.PARSE_ERROR,
  TARGETING_KEY_MISSING: ErrorCode.TARGETING_KEY_MISSING,
  PROVIDER_NOT_READY: ErrorCode.PROVIDER_NOT_READY,
} as const

/** How a provider begins. */
export interface OpenFeatureProviderOptions {
  /**
   * How long `setProviderAndWait` waits for the flags. Then it rejects with a `ProviderNotReadyError`,
   * callers get their defaults, and `READY` follows when the flags were read. 1 ms to 60 s.
   *
   * @defaultValue '1s'
   */
  readonly initializeTimeout?: Duration
}

/**
 * An OpenFeature provider over Corral's flags. It is ready once they were read, tells
 * `CONFIGURATION_CHANGED` with the names, `STALE` while signals are lost, and `READY` when they are back.
 * Objects that it resolves are frozen. Closing the provider leaves the flags open: they are whoever's
 * made them.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 *
 * @example
 * ```ts
 * import { createFlags } from '@corral/client'
 * import { createOpenFeatureProvider } from '@corral/client/openfeature'
 * import { OpenFeature } from '@openfeature/server-sdk'
 *
 * const flags = createFlags({ connection: undefined, namespace: 'shop' })
 * await OpenFeature.setProviderAndWait(createOpenFeatureProvider(flags))
 * const on = await OpenFeature.getClient().getBooleanValue('new-ui', false, { targetingKey: '1' })
 * ```
 */
export function createOpenFeatureProvider(
  flags: Flags,
  options: OpenFeatureProviderOptions = {},
): Provider {
  const { initializeTimeout = '1s' } = options
  const timeoutMs = toShortMilliseconds(initializeTimeout, 'initializeTimeout')
  if (!(timeoutMs >= 1 && timeoutMs <= 60_000)) {
    throw new RangeError(
      `initializeTimeout: must lie from '1ms' to '60s', received ${describeValue(initializeTimeout)}`,
    )
  }
  const events = new OpenFeatureEventEmitter()
  let stop: (() => void) | undefined
  /** What comes of `initialize` itself is told by the SDK. */
  let initializing = false

  function resolve<T>(
    name: string,
    fallback: T,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>> {
    const evaluation = flags.evaluate(name, fallback, context)
    return Promise.resolve(detailsOf(evaluation as FlagEvaluation<T>))
  }

  return {
    metadata: { name: 'corral' },
    runsOn: 'server',
    events,
    async initialize() {
      stop ??= flags.listen({
        changed: (names) => {
          events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: [...names] })
        },
        state: (state) => {
          if (state === 'stale') events.emit(ProviderEvents.Stale, { message: 'signals are lost' })
          if (state === 'ready' && !initializing) events.emit(ProviderEvents.Ready)
        },
      })
      initializing = true
      const read = await flags.ready(initializeTimeout)
      initializing = false
      if (!read) {
        throw new ProviderNotReadyError(`the flags were not read within ${timeoutMs} ms`)
      }
    },
    onClose() {
      stop?.()
      stop = undefined
      return Promise.resolve()
    },
    resolveBooleanEvaluation: (name, fallback, context) => resolve(name, fallback, context),
    resolveStringEvaluation: (name, fallback, context) => resolve(name, fallback, context),
    resolveNumberEvaluation: (name, fallback, context) => resolve(name, fallback, context),
    resolveObjectEvaluation: <T extends JsonValue>(
      name: string,
      fallback: T,
      context: EvaluationContext,
    ) => resolve(name, fallback, context),
  }
}

function detailsOf<T>(evaluation: FlagEvaluation<T>): ResolutionDetails<T> {
  const { value, reason, variant, errorCode, errorMessage } = evaluation
  return {
    value,
    reason,
    ...(variant !== undefined && { variant }),
    ...(errorCode !== undefined && { errorCode: ERROR_CODES[errorCode] }),
    ...(errorMessage !== undefined && { errorMessage }),
  }
}
