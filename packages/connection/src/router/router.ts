import type { IoredisClient } from '../client/ioredis-like.ts'
import type { Batcher } from '../guard/batcher.ts'
import type { Link } from '../guard/link.ts'
import { throwLater } from '../throw-later.ts'

/** One server that commands can be sent to. */
export interface Server {
  readonly link: Link
  readonly batcher: Batcher
}

/** Knows which server a key lives on. */
export interface Router {
  readonly isCluster: boolean
  /** The server of a key, or undefined while none is known. */
  route(key: string): Server | undefined
  /** Keys of one slot may share a script. 0 outside clusters. */
  slotOf(key: string): number
  /** All servers that hold data now. */
  masters(): readonly Server[]
  /** The clients of {@link masters}, for the signal connections. */
  clients(): { readonly name: string; readonly client: IoredisClient }[]
  /** Whether {@link masters} hold all the data there is: false while a slot has no known master. */
  readonly complete: boolean
  /** Resolves when the first connect is over, well or badly; undefined when it is already. */
  readonly settling: Promise<void> | undefined
  /** Tells that a server was not found or failed: look again soon. */
  refresh(): void
  /** Refuses every call, on servers found later too, or ends that. */
  isolate(on: boolean): void
  onTopology(listener: () => void): () => void
  readonly lastError: Error | undefined
  /** Resolves when no call waits for an answer any more. */
  idle(): Promise<void>
  close(): void
}

/** Listens to changes of one kind. */
export interface ListenerSet<Args extends readonly unknown[]> {
  add(listener: (...args: Args) => void): () => void
  tell(...args: Args): void
}

export function createListenerSet<Args extends readonly unknown[]>(): ListenerSet<Args> {
  const listeners = new Set<(...args: Args) => void>()
  return {
    add(listener) {
      const own = (...args: Args): void => listener(...args)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    tell(...args) {
      for (const listener of listeners) {
        try {
          listener(...args)
        } catch (error) {
          throwLater(error)
        }
      }
    },
  }
}
