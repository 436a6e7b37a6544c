import type { Redis } from 'ioredis'

/**
 * The limit of plain commands over ioredis: everything of a tick in one write to the socket.
 * Whoever calls the function it returns is corked until the end of the tick.
 */
export function corked(redis: Redis): () => void {
  let holding = false
  return () => {
    if (holding) return
    holding = true
    const { stream } = redis
    stream.cork()
    process.nextTick(() => {
      holding = false
      stream.uncork()
    })
  }
}
