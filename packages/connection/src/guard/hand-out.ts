import { throwLater } from '../throw-later.ts'

/** Who are told at once are half of all who wait, and at least as many as are worth a command. */
const SHARE = 1 / 2
const FEWEST = 24
/**
 * More keep the server busy anyway. And a client that always has something to read lets no other
 * socket of the process have its turn: with 500 callers and portions those waited five times longer.
 */
const MANY = 200

/** Tells callers what came for each. */
export interface HandOut {
  /** One more caller waits. */
  asked(): void
  /**
   * Tells the callers of one command, by their number.
   *
   * @param tell may throw, which is nobody's affair but its own
   */
  tell(count: number, tell: (index: number) => void): void
  /** Tells all of them at once: what failed needs no server to be kept busy. */
  tellAll(count: number, tell: (index: number) => void): void
}

/** The callers of one command. */
interface Answered {
  readonly count: number
  readonly tell: (index: number) => void
  next: number
}

/**
 * Of many callers some are told at once, and the others when what the first ask for next has left: so
 * the server works while the others are served. Measured: 64 callers who ask again as soon as they
 * are answered are served a third more often.
 */
export function createHandOut(): HandOut {
  const line: Answered[] = []
  let waiting = 0
  /** Some are being told, or those after them wait for a command to leave. */
  let busy = false

  function tellSome(): void {
    busy = true
    const most = waiting > MANY ? Infinity : Math.max(FEWEST, Math.ceil(waiting * SHARE))
    let told = 0
    while (told < most) {
      const first = line[0]
      if (first === undefined) {
        busy = false
        return
      }
      const count = tellPart(first, most - told)
      told += count
      waiting -= count
      if (first.next === first.count) line.shift()
    }
    afterNextBatch(tellSome)
  }

  return {
    asked() {
      waiting++
    },
    tell(count, tell) {
      line.push({ count, tell, next: 0 })
      if (!busy) tellSome()
    },
    tellAll(count, tell) {
      waiting -= tellPart({ count, tell, next: 0 }, count)
    },
  }
}

/**
 * Calls back when what is asked in this turn of microtasks has left: of two ticks the first may come
 * before that in which the batch is sent, the second comes behind it.
 */
function afterNextBatch(callBack: () => void): void {
  queueMicrotask(() => process.nextTick(() => process.nextTick(callBack)))
}

/** Tells as many as may be, and the rest too where it is small. */
function tellPart(part: Answered, most: number): number {
  const { next, count, tell } = part
  part.next = count - next - most < FEWEST ? count : next + most
  for (let index = next; index < part.next; index++) {
    try {
      tell(index)
    } catch (error) {
      throwLater(error)
    }
  }
  return part.next - next
}
