import type { Clock, TimerHandle } from '../clock.ts'

/** Something that fails when its time is over. */
export interface Expirable {
  readonly deadlineAt: number
  /** True once nobody waits for it any more. */
  settled: boolean
  expire(): void
}

export interface Deadlines {
  /** Watches an item whose deadline lies `durationMs` after the others of that duration. */
  add(item: Expirable, durationMs: number): void
  /** Forgets settled items at the front; cheap, called whenever something settled. */
  prune(durationMs: number): void
}

/** A timer later than this was held up by a busy event loop, and so were replies. */
const STALL_MS = 20
/** Most rounds of reading before the deadlines are looked at, however busy the loop is. */
const ROUNDS = 3
/** So many durations are kept at hand when nothing waits in them; callers may use any number. */
const KEPT_LANES = 8
/** A timer for longer than this is not left behind when nothing waits: it would hold the process. */
const LONG_MS = 1_000

interface Lane {
  items: (Expirable | undefined)[]
  head: number
}

/**
 * All deadlines on one timer. Items of one duration are asked for in the order of their deadlines,
 * so each duration is a plain queue and only its head matters.
 */
export function createDeadlines(clock: Clock): Deadlines {
  const lanes = new Map<number, Lane>()
  let timer: TimerHandle | undefined
  let armedFor = Infinity
  let checking = false

  /** The first item of a lane that is not settled. */
  function skipSettled(lane: Lane): Expirable | undefined {
    for (;;) {
      const item = lane.items[lane.head]
      if (item === undefined) {
        lane.items.length = 0
        lane.head = 0
        return undefined
      }
      if (!item.settled) return item
      lane.items[lane.head++] = undefined
      if (lane.head > 1024) {
        lane.items.splice(0, lane.head)
        lane.head = 0
      }
    }
  }

  function dropLane(durationMs: number): void {
    if (lanes.size > KEPT_LANES || durationMs > LONG_MS) lanes.delete(durationMs)
  }

  function disarm(): void {
    if (timer !== undefined) clock.clearTimer(timer)
    timer = undefined
    armedFor = Infinity
  }

  function arm(at: number): void {
    if (checking || at >= armedFor) return
    disarm()
    armedFor = at
    timer = clock.setTimer(onTimer, Math.max(0, Math.ceil(at - clock.now())))
  }

  function onTimer(): void {
    const due = armedFor
    timer = undefined
    armedFor = Infinity
    checking = true
    afterReading(due, ROUNDS)
  }

  /**
   * Replies that are already in the socket count: read them before anything is declared late. After
   * a stall one more round, as much may have piled up meanwhile.
   */
  function afterReading(since: number, rounds: number): void {
    clock.afterIo(() => {
      const now = clock.now()
      if (now - since > STALL_MS && rounds > 1) afterReading(now, rounds - 1)
      else check()
    })
  }

  function check(): void {
    checking = false
    const now = clock.now()
    let earliest = Infinity
    for (const [durationMs, lane] of lanes) {
      let item = skipSettled(lane)
      while (item !== undefined && item.deadlineAt <= now) {
        item.settled = true
        item.expire()
        item = skipSettled(lane)
      }
      if (item === undefined) dropLane(durationMs)
      else if (item.deadlineAt < earliest) earliest = item.deadlineAt
    }
    if (earliest !== Infinity) arm(earliest)
  }

  return {
    add(item, durationMs) {
      let lane = lanes.get(durationMs)
      if (lane === undefined) lanes.set(durationMs, (lane = { items: [], head: 0 }))
      lane.items.push(item)
      arm(item.deadlineAt)
    },
    prune(durationMs) {
      const lane = lanes.get(durationMs)
      if (lane === undefined || skipSettled(lane) !== undefined) return
      dropLane(durationMs)
      if (durationMs > LONG_MS && [...lanes.values()].every((each) => each.items.length === 0))
        disarm()
    },
  }
}
