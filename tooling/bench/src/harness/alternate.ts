import { type Spread, spreadOf } from './statistics.ts'

/** How long and how often is measured. */
export interface Effort {
  readonly rounds: number
  /** Turns of each contender within a round; short turns let all of them meet the same noise. */
  readonly turns: number
  readonly turnMs: number
}

/** Something that can be kept busy for a while. */
export interface Contender {
  readonly name: string
  /** Before and after each of its turns; neither counts. */
  begin?(): Promise<void>
  end?(): void
  /** Works for about `ms` and tells how many operations were completed, in what time. */
  run(ms: number): Promise<Work>
}

export interface Work {
  readonly operations: number
  readonly elapsedMs: number
}

/** What one contender did, against the first one of the same run. */
export interface Measured {
  readonly name: string
  /** Operations per second. */
  readonly rate: Spread
  /** Ratio of its rate to the reference's, round by round. */
  readonly ratio: Spread
  /** Microseconds per operation more than the reference took, round by round. */
  readonly extraMicros: Spread
  /** Processor time of this process for one operation: what it costs also where others compete. */
  readonly cpuMicros: Spread
}

/**
 * Lets contenders work in turns, the first being the reference of all ratios. Each round starts
 * with another one, so that nobody always follows the same neighbour.
 */
export async function alternate(
  contenders: readonly Contender[],
  { rounds, turns, turnMs }: Effort,
): Promise<Measured[]> {
  const rates = contenders.map((): number[] => [])
  const costs = contenders.map((): number[] => [])
  for (const contender of contenders) await contender.run(Math.min(150, turnMs * turns))
  for (let round = 0; round < rounds; round++) {
    const totals = contenders.map(() => ({ operations: 0, elapsedMs: 0, cpuMicros: 0 }))
    for (let turn = 0; turn < turns; turn++) {
      for (let place = 0; place < contenders.length; place++) {
        const index = (place + turn + round) % contenders.length
        const contender = contenders[index]!
        await contender.begin?.()
        const cpuBefore = process.cpuUsage()
        const work = await contender.run(turnMs)
        const { user, system } = process.cpuUsage(cpuBefore)
        contender.end?.()
        const total = totals[index]!
        total.operations += work.operations
        total.elapsedMs += work.elapsedMs
        total.cpuMicros += user + system
      }
    }
    for (const [index, total] of totals.entries()) {
      rates[index]!.push((total.operations / total.elapsedMs) * 1000)
      costs[index]!.push(total.cpuMicros / total.operations)
    }
  }
  const reference = rates[0] ?? []
  return contenders.map(({ name }, index) => {
    const own = rates[index] ?? []
    return {
      name,
      rate: spreadOf(own),
      ratio: spreadOf(own.map((rate, round) => rate / reference[round]!)),
      extraMicros: spreadOf(own.map((rate, round) => 1e6 / rate - 1e6 / reference[round]!)),
      cpuMicros: spreadOf(costs[index] ?? []),
    }
  })
}
