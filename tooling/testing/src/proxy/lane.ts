import type { Socket } from 'node:net'

/** What slows a direction down; read anew for each chunk. */
export interface LaneConditions {
  /** Milliseconds from arrival to delivery, at least. */
  latency: number
  /** Up to so many milliseconds more, drawn for each chunk. */
  jitter: number
  bytesPerSecond: number
  /** While true nothing is delivered. */
  held: boolean
}

/** One direction of one connection: delivers in order, each item no sooner than it is due. */
export interface Lane {
  push(chunk: Buffer): void
  /** Passes the end of the stream on, behind what is under way. */
  end(): void
  /** Looks again: conditions have changed. */
  poke(): void
  close(): void
}

interface Item {
  due: number
  /** `undefined` is the end of the stream. */
  chunk: Buffer | undefined
}

// More than this under way, and the sender is made to wait, as by a full TCP window.
const WINDOW = 4 * 1024 * 1024

export function createLane(
  from: Socket,
  to: Socket,
  conditions: LaneConditions,
  onDelivered: (bytes: number) => void,
): Lane {
  const queue: Item[] = []
  let bytesQueued = 0
  let lastDue = 0
  let lineFreeAt = 0
  let timer: NodeJS.Timeout | undefined
  let closed = false

  // Due at max(previous, arrival + latency): delays of chunks that travel together do not add up.
  const dueOf = (bytes: number, now: number): number => {
    const sent = Math.max(now, lineFreeAt)
    lineFreeAt = sent + (bytes / conditions.bytesPerSecond) * 1_000
    const delay = conditions.latency + Math.random() * conditions.jitter
    lastDue = Math.max(lastDue, lineFreeAt + delay)
    return lastDue
  }

  const deliver = (): void => {
    clearTimeout(timer)
    timer = undefined
    for (;;) {
      const item = queue[0]
      if (item === undefined || conditions.held) break
      const wait = item.due - performance.now()
      if (wait > 0.2) {
        timer = setTimeout(deliver, wait)
        return
      }
      queue.shift()
      if (item.chunk === undefined) {
        to.end()
        break
      }
      bytesQueued -= item.chunk.length
      if (!to.writable) continue
      to.write(item.chunk)
      onDelivered(item.chunk.length)
    }
    if (bytesQueued < WINDOW && from.isPaused()) from.resume()
  }

  const add = (chunk: Buffer | undefined): void => {
    if (closed) return
    const now = performance.now()
    queue.push({ chunk, due: dueOf(chunk?.length ?? 0, now) })
    bytesQueued += chunk?.length ?? 0
    if (bytesQueued >= WINDOW) from.pause()
    if (timer === undefined) deliver()
  }

  return {
    push(chunk) {
      // On a slow line a large chunk arrives bit by bit, 10 ms worth of bytes at a time.
      const step = Number.isFinite(conditions.bytesPerSecond)
        ? Math.max(1, Math.ceil(conditions.bytesPerSecond / 100))
        : chunk.length
      for (let at = 0; at < chunk.length; at += step) add(chunk.subarray(at, at + step))
    },
    end: () => add(undefined),
    poke() {
      const now = performance.now()
      lineFreeAt = now
      lastDue = now
      // What is under way follows the new conditions, so that healing is felt at once.
      for (const item of queue) item.due = Math.min(item.due, dueOf(item.chunk?.length ?? 0, now))
      deliver()
    },
    close() {
      closed = true
      clearTimeout(timer)
      queue.length = 0
    },
  }
}
