import { describeValue, type Duration, ownKey, toShortMilliseconds } from '@corral/connection'
import { type ClientBase, requireBase } from '../client-base.ts'
import { fromJson, toJson } from '../json.ts'
import { requireWellFormed } from '../keys/well-formed.ts'
import { traceChannel } from '../trace.ts'
import type { FlagContext } from './condition.ts'
import { evaluate, failed, type FlagEvaluation, type Widened } from './evaluate.ts'
import { defineFlag, type FlagDefinition, type FlagInput } from './flag-definition.ts'
import { createFlagMirror, type FlagState } from './flag-mirror.ts'
import { deleteFlag, setFlag } from './flag-scripts.ts'

const trace = traceChannel('corral:client:flag')

/** Largest flag, in bytes of JSON. */
const MOST_BYTES = 65_536

export interface FlagListener {
  /** Flags that were set, changed or deleted, by anybody. */
  changed?(names: readonly string[]): void
  state?(state: FlagState): void
}

/**
 * Feature flags that every process holds a copy of: a decision costs no I/O, a change reaches all within
 * a round trip. Flags never expire.
 */
export interface Flags {
  readonly state: FlagState
  /**
   * Whether the flags were read; until then callers get their defaults. Does not reject.
   *
   * @param wait how long to wait for the first read; left out: as long as it takes, or until `close()`
   */
  ready(wait?: Duration): Promise<boolean>
  /**
   * Decides a flag with this process's copy. Never throws because of Redis or of what a flag holds:
   * what cannot be decided gives `fallback` with an `errorCode`. Objects are the same for every caller,
   * and frozen.
   */
  evaluate<T>(name: string, fallback: T, context?: FlagContext): FlagEvaluation<Widened<T>>
  /** The value alone of {@link evaluate}. */
  value<T>(name: string, fallback: T, context?: FlagContext): Widened<T>
  /** Sets a flag; rejects when Redis did not acknowledge it. */
  set(name: string, flag: FlagInput): Promise<void>
  /** Deletes a flag; `false` when there was none. */
  delete(name: string): Promise<boolean>
  /** The definition of a flag, from this process's copy. */
  definition(name: string): FlagDefinition | undefined
  names(): string[]
  /** Returns how to stop listening. */
  listen(listener: FlagListener): () => void
  close(): void
}

/** @throws TypeError naming option, rule and received value */
export function createFlags(base: ClientBase): Flags {
  requireBase(base)
  const { connection, namespace } = base
  const key = ownKey('flag', namespace)
  const channel = `corral:flag:${namespace}`
  const listeners = new Set<FlagListener>()
  /** What was made of each text; a flag that is no flag is kept as its error. */
  const parsed = new Map<
    string,
    { readonly text: string; readonly flag: FlagDefinition | TypeError }
  >()
  const memory = new Map<string, string>()

  function changed(names: readonly string[]): void {
    // Made anew when asked for: so nothing stays of a flag that is gone.
    for (const name of names) parsed.delete(name)
    if (trace.hasSubscribers) trace.publish({ namespace, event: 'changed', names })
    for (const listener of listeners) guarded(() => listener.changed?.(names))
  }

  function tellState(state: FlagState): void {
    if (trace.hasSubscribers) trace.publish({ namespace, event: state, names: [] })
    for (const listener of listeners) guarded(() => listener.state?.(state))
  }

  const mirror =
    connection && createFlagMirror(connection, key, channel, { changed, state: tellState })

  function find(name: string): FlagDefinition | TypeError | undefined {
    const text = (mirror?.texts ?? memory).get(name)
    if (text === undefined) return undefined
    const known = parsed.get(name)
    if (known?.text === text) return known.flag
    const flag = parse(text)
    parsed.set(name, { text, flag })
    return flag
  }

  function decide<T>(
    name: string,
    fallback: T,
    context: FlagContext | null = {},
  ): FlagEvaluation<T> {
    mirror?.start()
    if (mirror?.state === 'starting') {
      return failed(fallback, 'PROVIDER_NOT_READY', 'the flags were not read yet')
    }
    const flag = find(name)
    if (flag === undefined) return failed(fallback, 'FLAG_NOT_FOUND', `there is no flag "${name}"`)
    if (flag instanceof TypeError) return failed(fallback, 'PARSE_ERROR', flag.message)
    const result = evaluate(name, flag, fallback, context ?? {})
    return mirror?.state === 'stale' && result.errorCode === undefined
      ? { ...result, reason: 'STALE' }
      : result
  }

  return {
    get state() {
      return mirror?.state ?? 'ready'
    },
    async ready(wait) {
      const most = wait === undefined ? undefined : toShortMilliseconds(wait, 'wait')
      mirror?.start()
      return mirror === undefined || mirror.whenRead(most)
    },
    evaluate: decide as Flags['evaluate'],
    value: ((name, fallback, context) => decide(name, fallback, context).value) as Flags['value'],
    async set(name, input) {
      requireName(name)
      const text = toJson(defineFlag(input), 'a flag', MOST_BYTES)
      if (connection === undefined) {
        memory.set(name, text)
        changed([name])
        return
      }
      await connection.script(setFlag, [key], [channel, name, text])
      // Who sets a flag and reads it sees what was set.
      mirror?.start()
      await mirror?.refresh().catch(() => undefined)
    },
    async delete(name) {
      requireName(name)
      if (connection === undefined) {
        const there = memory.delete(name)
        if (there) changed([name])
        return there
      }
      const gone = Number(await connection.script(deleteFlag, [key], [channel, name])) === 1
      mirror?.start()
      await mirror?.refresh().catch(() => undefined)
      return gone
    },
    definition(name) {
      const flag = find(name)
      return flag instanceof TypeError ? undefined : flag
    },
    names: () => [...(mirror?.texts ?? memory).keys()].toSorted(),
    listen(listener) {
      mirror?.start()
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close() {
      mirror?.close()
      listeners.clear()
    },
  }
}

function parse(text: string): FlagDefinition | TypeError {
  try {
    return freezeDeep(defineFlag(fromJson(text) as FlagInput))
  } catch (error) {
    return new TypeError(error instanceof Error ? error.message : 'not a flag')
  }
}

/** Once per text, so that no caller can change what all others get. */
function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) freezeDeep(inner)
  return Object.freeze(value)
}

function requireName(name: string): void {
  if (typeof name !== 'string' || name === '' || name.length > 200) {
    throw new TypeError(
      `flag name: must be a string of 1 to 200 characters, received ${describeValue(name)}`,
    )
  }
  requireWellFormed(name, 'flag name')
}

/** A listener that throws must keep neither the others nor the copy of the flags from going on. */
function guarded(tell: () => void): void {
  try {
    tell()
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error))
  }
}
