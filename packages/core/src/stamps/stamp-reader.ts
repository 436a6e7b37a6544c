import type { Connection } from '@corral/connection'
import { learnStamp, NO_TURN, type StampCopy } from './stamp-copies.ts'
import type { StampOffice } from './stamp-office.ts'

/** Reads stamps, and knows how long what was read may be used. */
export interface StampReader {
  /** Whether the copy is as good as a read of now. */
  isKnown(copy: StampCopy): boolean
  /** Afterwards the copies are known, the base ones included, for this turn of the event loop at least. */
  read(asked: readonly StampCopy[]): Promise<void>
  /** Nothing that is being read now can be kept. */
  flushed(): void
}

/** A read that signals void is read again, this often at most. */
const MOST_READS = 3

/** @param onRead called when what is known has changed */
export function createStampReader(
  connection: Connection,
  office: StampOffice,
  base: readonly StampCopy[],
  onRead: () => void,
): StampReader {
  const { clock } = connection
  let turn = 0
  let turnEnds = false
  let flushes = 0

  function isKnown(copy: StampCopy): boolean {
    return copy.fresh || copy.turn === turn
  }

  /** What is read without signals holds until the event loop turns: whoever asked has judged by then. */
  function endTurn(): void {
    if (turnEnds) return
    turnEnds = true
    clock.afterIo(() => {
      turnEnds = false
      turn++
      onRead()
    })
  }

  /** Whether the copies may be kept: signals were complete and named none of them meanwhile. */
  function watchOver(copies: readonly StampCopy[]): (copy: StampCopy, index: number) => boolean {
    const voids = copies.map((copy) => copy.voids)
    const before = flushes
    const { coherent } = office
    return (copy, index) =>
      coherent && office.coherent && flushes === before && copy.voids === voids[index]
  }

  /**
   * Callers of one tick share a GET, which has not left yet. With signals on one that is under way
   * is shared as well, as long as none of them has named the stamp since it left.
   */
  function ask(copy: StampCopy): Promise<string | null> {
    if (copy.asked !== undefined) return copy.asked
    const reply = connection.get(copy.key)
    copy.asked = reply
    const done = (): void => {
      if (copy.asked === reply) copy.asked = undefined
    }
    reply.then(done, done)
    if (!office.coherent) process.nextTick(done)
    return reply
  }

  async function read(asked: readonly StampCopy[]): Promise<void> {
    let copies = asked
    for (let reads = 1; ; reads++) {
      const holds = watchOver(copies)
      const values = await Promise.all(copies.map(ask))
      copies.forEach((copy, index) => {
        learnStamp(copy, values[index])
        // One that a later read has made fresh stays so: a signal since then would have undone it.
        if (holds(copy, index)) copy.fresh = true
      })
      // What was known when this began, and was dropped since.
      const dropped = base.filter((copy) => !isKnown(copy) && !copies.includes(copy))
      const passing = copies.some((copy) => !copy.fresh)
      // With signals the next read can be kept, so it is worth one more.
      if (reads < MOST_READS && (dropped.length > 0 || (passing && office.coherent))) {
        copies = [...copies, ...dropped]
        continue
      }
      for (const copy of copies) copy.turn = copy.fresh ? NO_TURN : turn
      if (passing) endTurn()
      onRead()
      return
    }
  }

  return { isKnown, read, flushed: () => void flushes++ }
}
