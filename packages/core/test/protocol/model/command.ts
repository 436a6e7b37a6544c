import type { Script } from '../protocol.ts'

/** One atomic step of a client, in a form that a model and a real Redis can both carry out. */
export type Command =
  | {
      readonly do: 'run'
      readonly script: Script<never, unknown>
      readonly request: unknown
      /** Its caller gives up at the deadline; the command itself may still arrive. */
      readonly fallible: boolean
    }
  | { readonly do: 'get'; readonly key: string }
  | { readonly do: 'stamps'; readonly keys: readonly string[] }
  | { readonly do: 'scan' }
  | { readonly do: 'foreign-set'; readonly key: string; readonly text: string }
  | { readonly do: 'foreign-delete'; readonly key: string }
  | { readonly do: 'foreign-list'; readonly key: string }
  | { readonly do: 'load'; readonly key: string }
  | { readonly do: 'change'; readonly key: string }
  | { readonly do: 'memory'; readonly full: boolean }

export type Flow = Generator<Command, void, unknown>

/** Typed steps: `const reply = yield* run(script, request)`. Undefined: the caller has given up. */
export function* run<Q, R>(
  script: Script<Q, R>,
  request: Q,
  fallible = false,
): Generator<Command, R | undefined, unknown> {
  const reply = yield { do: 'run', script: script, request, fallible }
  return reply as R | undefined
}

export function* step<R>(command: Command): Generator<Command, R, unknown> {
  return (yield command) as R
}
