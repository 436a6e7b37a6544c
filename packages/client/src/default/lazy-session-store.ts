import { EventEmitter } from 'node:events'
import type { SessionStore } from '../sessions/session-store.ts'

const METHODS = ['get', 'set', 'touch', 'destroy', 'all', 'length', 'clear'] as const

/** A session store that is made with its first call; when it cannot be, the callback is told. */
export function lazySessionStore<Base extends EventEmitter>(
  storeOf: () => SessionStore,
  Store: (abstract new () => Base) | undefined,
): SessionStore & Base {
  // Abstract in its types alone: what it lacks is added here.
  const base = new ((Store ?? EventEmitter) as new () => Base)()
  const methods = METHODS.map((name) => [
    name,
    (...args: unknown[]): void => {
      try {
        ;(storeOf()[name] as (...given: unknown[]) => void)(...args)
      } catch (error) {
        const callback = args.at(-1)
        if (typeof callback === 'function') process.nextTick(() => callback(error) as unknown)
      }
    },
  ])
  return Object.assign(base, Object.fromEntries(methods)) as SessionStore & Base
}
