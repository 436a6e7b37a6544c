import type { Effort, Measured } from './alternate.ts'
import type { Bed } from './bed.ts'

/** What DESIGN.md section 11 asks of a line. */
export interface Floor {
  /** `ratio`: at least this many times the raw client. `micros`: at most this much more per call. */
  readonly kind: 'ratio' | 'micros'
  readonly value: number
  /** How far ahead of the best peer; 1.1 where the limit leaves room, 0.95 elsewhere. */
  readonly lead?: number
}

/** One line of the table. */
export interface Line {
  readonly name: string
  readonly floor: Floor | undefined
  /** Corral's own figure, which is judged. */
  readonly corral: Measured
  /** The same through the connection alone: the rest is what the cache above it costs. */
  readonly connection: Measured | undefined
  /** The raw client. */
  readonly reference: Measured
  readonly peers: readonly Measured[]
  /** Limits written by hand, to see what is left. */
  readonly limits: readonly Measured[]
}

/** One file under rows/: measures one thing, in one or more sizes. */
export interface Row {
  /** As given to `--rows`. */
  readonly name: string
  measure(bed: Bed, effort: Effort): AsyncIterable<Line>
}
