import { once } from 'node:events'
import type { Instance } from './instances.ts'

/** Bytes of heap that an instance uses after a full collection. */
export async function heapOf({ worker }: Instance): Promise<number> {
  const answered = once(worker, 'message')
  worker.send('heap')
  const [message] = (await answered) as [{ readonly heap: number }]
  return message.heap
}

/** How much more than at first may be in use at the end and still count as nothing kept. */
const SLACK = 1.15

/** Whether nothing piles up: the end is about the beginning, whatever happened between. */
export function isFlat(heap: readonly number[]): boolean {
  const [first = 0] = heap
  const last = heap.at(-1) ?? 0
  return heap.length > 1 && last <= first * SLACK
}
