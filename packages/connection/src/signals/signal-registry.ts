import type { SourceId } from '../stats-source.ts'
import { traceChannel } from '../trace.ts'
import { createPrefixSet } from './prefix-set.ts'
import type { ChannelListener, KeyListener, SignalState, Unsubscribe } from './signals.ts'

const warning = traceChannel('corral:connection:warning')

/** How far a prefix or a channel is told; `unsupported`: this server or user never will. */
export type EntryState = 'arming' | 'on' | 'lost' | 'unsupported'

/** Names of prefixes and channels. */
export interface EntryNames {
  readonly prefixes: readonly string[]
  readonly channels: readonly string[]
}

/** Who listens to what, and what each listener was told last. */
export interface SignalRegistry {
  readonly empty: boolean
  names(): EntryNames
  has(kind: keyof EntryNames, name: string): boolean
  readonly channels: ReadonlySet<string>
  /** Somebody was told `lost` last. */
  readonly anyLost: boolean
  watch(prefix: string, listener: KeyListener): Unsubscribe
  subscribe(channel: string, listener: ChannelListener): Unsubscribe
  tellKeys(keys: readonly Buffer[] | null): void
  tellMessage(channel: string, message: string): void
  /** Tells every listener whose state is another one than it was told last. */
  tellStates(stateOf: (kind: keyof EntryNames, name: string) => EntryState): void
  /** Tells everybody that it is over and forgets them. */
  end(): void
}

interface Registration<Listener> {
  readonly name: string
  readonly listener: Listener
  told: SignalState
  blamed: boolean
}

type KeyEntry = { readonly prefix: string; readonly members: Set<Registration<KeyListener>> }

/**
 * @param source who they are of, in traces
 * @param onChange called when a prefix or channel, or a listener to one, came or went
 */
export function createSignalRegistry(source: SourceId, onChange: () => void): SignalRegistry {
  const watched = createPrefixSet<KeyEntry>()
  const subscribed = new Map<string, Set<Registration<ChannelListener>>>()
  const channels = new Set<string>()

  /** One listener's fault is nobody else's, and never the process's. */
  function call(registration: Registration<unknown>, tell: () => unknown): void {
    const blame = (error: unknown): void => {
      if (registration.blamed) return
      registration.blamed = true
      const kind = error instanceof Error ? error.name : typeof error
      if (!warning.hasSubscribers) return
      // The error's own message may hold keys or values.
      const message = `A listener of signals for ${JSON.stringify(registration.name)} threw (${kind})`
      warning.publish({ source, code: 'SIGNALS_LISTENER', message })
    }
    try {
      const result = tell()
      if (result instanceof Promise) result.catch(blame)
    } catch (error) {
      blame(error)
    }
  }

  function register<Listener>(name: string, listener: Listener): Registration<Listener> {
    return { name, listener, told: 'off', blamed: false }
  }

  function tellState(
    registration: Registration<{ flush?(): void; state?(state: SignalState): void }>,
    state: SignalState,
  ): void {
    // What was complete once and is being armed again has a gap.
    const told = registration.told
    const next = state === 'arming' && (told === 'on' || told === 'lost') ? 'lost' : state
    if (next === told) return
    registration.told = next
    const { listener } = registration
    if (next === 'on') call(registration, () => listener.flush?.())
    // A listener's `flush` may have changed things; the last word is the newest one.
    if (registration.told === next) call(registration, () => listener.state?.(next))
  }

  return {
    get empty() {
      return watched.size === 0 && subscribed.size === 0
    },
    names: () => ({ prefixes: watched.prefixes(), channels: [...subscribed.keys()] }),
    has: (kind, name) =>
      kind === 'prefixes' ? watched.get(name) !== undefined : subscribed.has(name),
    channels,
    get anyLost() {
      const groups = [...watched.values()].map((entry) => entry.members)
      return [...groups, ...subscribed.values()].some((members) =>
        [...members].some((each) => each.told === 'lost'),
      )
    },

    watch(prefix, listener) {
      const registration = register(prefix, listener)
      let entry = watched.get(prefix)
      if (entry === undefined) {
        entry = { prefix, members: new Set() }
        watched.add(prefix, entry)
      }
      const { members } = entry
      members.add(registration)
      onChange()
      return () => {
        if (!members.delete(registration)) return
        if (members.size === 0) watched.delete(prefix)
        onChange()
      }
    },

    subscribe(channel, listener) {
      const registration = register(channel, listener)
      const members = subscribed.get(channel) ?? new Set()
      subscribed.set(channel, members.add(registration))
      channels.add(channel)
      onChange()
      return () => {
        if (!members.delete(registration)) return
        if (members.size === 0) {
          subscribed.delete(channel)
          channels.delete(channel)
        }
        onChange()
      }
    },

    tellKeys(keys) {
      if (keys === null) {
        for (const { members } of watched.values()) {
          for (const each of members) call(each, () => each.listener.flush())
        }
        return
      }
      for (const [entry, group] of groupByPrefix(keys)) {
        for (const each of entry.members) call(each, () => each.listener.keys(group))
      }
    },

    tellMessage(channel, message) {
      for (const each of subscribed.get(channel) ?? []) {
        call(each, () => each.listener.message(message))
      }
    },

    tellStates(stateOf) {
      const shown = (state: EntryState): SignalState => (state === 'unsupported' ? 'lost' : state)
      for (const { prefix, members } of watched.values()) {
        const state = shown(stateOf('prefixes', prefix))
        for (const each of members) tellState(each, state)
      }
      for (const [channel, members] of subscribed) {
        const state = shown(stateOf('channels', channel))
        for (const each of members) tellState(each, state)
      }
    },

    end() {
      for (const { prefix, members } of watched.values()) {
        watched.delete(prefix)
        for (const each of members) tellState(each, 'off')
        members.clear()
      }
      for (const [channel, members] of subscribed) {
        subscribed.delete(channel)
        for (const each of members) tellState(each, 'off')
        members.clear()
      }
      channels.clear()
    },
  }

  function groupByPrefix(keys: readonly Buffer[]): Map<KeyEntry, string[]> {
    const groups = new Map<KeyEntry, string[]>()
    // Redis sends a message per prefix, so the next key nearly always belongs to the same one.
    let entry: KeyEntry | undefined
    let group: string[] | undefined
    for (const bytes of keys) {
      const key = bytes.toString()
      if (entry === undefined || !key.startsWith(entry.prefix)) {
        entry = watched.of(key)
        group = entry && groups.get(entry)
        if (entry === undefined) continue
        if (group === undefined) groups.set(entry, (group = []))
      }
      group?.push(key)
    }
    return groups
  }
}
