import { createLedger, type Ledger } from './ledger.ts'
import type { Command, Flow } from './command.ts'
import type { Client } from './flows.ts'
import type { Guards } from './guards.ts'
import type { SweepRequest, WriteRequest } from '../protocol.ts'

/** What may happen next. */
export type Option =
  | { readonly kind: 'step' | 'give-up' | 'lost-reply'; readonly flow: number }
  | { readonly kind: 'arrive'; readonly floating: number }
  | { readonly kind: 'time-passes' }

interface Running {
  readonly name: string
  readonly flow: Flow
  pending: Command | undefined
}

export interface World {
  readonly ledger: Ledger
  client(): Client
  add(name: string, flow: Flow): void
  /** Empty when all is done. */
  options(): Option[]
  /** The command that the option carries out, if it does. */
  command(option: Option): Command | undefined
  /** Tells the flow; runs what follows up to its next command. */
  settle(option: Option, reply: unknown): void
  readonly trace: string[]
}

export interface WorldSettings {
  readonly guards: Guards
  readonly skewUs: number
  /** Callers that give up, replies that get lost, commands that come late. */
  readonly faults: boolean
  readonly keys: readonly string[]
  readonly tags: readonly string[]
  now(key: string): number
}

/** The data keys at which a command may replace what is there, whatever it is. */
export function overwrites(command: Command): readonly string[] {
  if (command.do === 'foreign-set' || command.do === 'foreign-delete') return [command.key]
  if (command.do !== 'run') return []
  if (command.script.name === 'sweep') return (command.request as SweepRequest).keys
  if (command.script.name !== 'write') return []
  return (command.request as WriteRequest).operations
    .filter(({ op }) => op === 'set' || op === 'delete')
    .map(({ key }) => key)
}

/** Runs client flows one command at a time, in whatever order the options are chosen. */
export function createWorld(settings: WorldSettings): World {
  const { guards, skewUs, faults, keys, tags, now } = settings
  const ledger = createLedger()
  const running: Running[] = []
  const floating: Command[] = []
  const trace: string[] = []
  let pauses = 2
  let mishaps = 3

  const resume = (it: Running, reply: unknown): void => {
    const next = it.flow.next(reply)
    it.pending = next.done ? undefined : next.value
  }
  const world: World = {
    ledger,
    trace,
    client: () => ({
      ledger,
      guards,
      skewUs,
      tags,
      keys,
      known: new Map(),
      unsure: false,
      now,
      spawn: world.add,
    }),
    add(name, flow) {
      const it: Running = { name, flow, pending: undefined }
      running.push(it)
      resume(it, undefined)
    },
    options() {
      const options: Option[] = []
      running.forEach((it, flow) => {
        if (!it.pending) return
        options.push({ kind: 'step', flow })
        if (!faults || mishaps === 0 || it.pending.do !== 'run') return
        options.push({ kind: 'lost-reply', flow })
        if (it.pending.fallible) options.push({ kind: 'give-up', flow })
      })
      floating.forEach((_, index) => options.push({ kind: 'arrive', floating: index }))
      if (faults && pauses > 0 && options.length > 0) options.push({ kind: 'time-passes' })
      return options
    },
    command(option) {
      if (option.kind === 'arrive') return floating[option.floating]
      if (option.kind === 'step' || option.kind === 'lost-reply')
        return running[option.flow]?.pending
      return undefined
    },
    settle(option, reply) {
      const it = 'flow' in option ? running[option.flow] : undefined
      trace.push(`${option.kind} ${it ? `${it.name} ${describe(it.pending)}` : ''}`)
      switch (option.kind) {
        case 'step':
          resume(it as Running, reply)
          return
        case 'give-up':
          mishaps--
          floating.push((it as Running).pending as Command)
          resume(it as Running, undefined)
          return
        case 'lost-reply':
          mishaps-- // it has run, nobody knows; the client will send it again
          return
        case 'arrive':
          floating.splice(option.floating, 1)
          return
        case 'time-passes':
          pauses--
      }
    },
  }
  return world
}

function describe(command: Command | undefined): string {
  if (command?.do !== 'run') return JSON.stringify(command)
  return `${command.script.name} ${JSON.stringify(command.request)}`
}
