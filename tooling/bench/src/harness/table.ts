import type { Line } from './row.ts'
import type { Spread } from './statistics.ts'

export type Verdict = 'holds' | 'below floor' | 'behind a peer' | 'no floor'

/** Judges medians; the spread beside them tells how far to trust that. */
export function verdictOf({ floor, corral, peers }: Line): Verdict {
  if (floor === undefined) return 'no floor'
  const kept =
    floor.kind === 'ratio'
      ? corral.ratio.median >= floor.value
      : corral.extraMicros.median <= floor.value
  if (!kept) return 'below floor'
  const best = bestOf(peers)
  const lead = floor.lead ?? 0.95
  if (best !== undefined && corral.rate.median < best.rate.median * lead) return 'behind a peer'
  return 'holds'
}

export function bestOf(peers: Line['peers']): Line['peers'][number] | undefined {
  return peers.toSorted((a, b) => b.rate.median - a.rate.median)[0]
}

const HEAD = [
  'row',
  'floor',
  'Corral',
  'rate',
  'CPU us (raw)',
  'connection alone',
  'best peer',
  'by hand',
  'verdict',
]

/** The table as Markdown. */
export function tableOf(lines: readonly Line[]): string {
  const rows = [HEAD, HEAD.map(() => '---'), ...lines.map(cellsOf)]
  return rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

export function cellsOf(line: Line): string[] {
  const { floor, corral, connection, peers, limits } = line
  const micros = floor?.kind === 'micros'
  const best = bestOf(peers)
  return [
    line.name,
    floor === undefined ? '' : micros ? `<= ${floor.value} us` : `${floor.value}x`,
    micros ? ranged(corral.extraMicros, ' us') : ranged(corral.ratio, 'x'),
    `${Math.round(corral.rate.median / 1000)}k/s`,
    `${corral.cpuMicros.median.toFixed(2)} (${line.reference.cpuMicros.median.toFixed(2)})`,
    connection === undefined
      ? ''
      : `${ranged(connection.ratio, 'x')}, ${connection.cpuMicros.median.toFixed(2)} us`,
    best === undefined ? '' : `${best.name} ${ranged(best.ratio, 'x')}`,
    limits.map(({ name, ratio }) => `${name} ${ranged(ratio, 'x')}`).join(', '),
    verdictOf(line),
  ]
}

function ranged({ median, least, most }: Spread, unit: string): string {
  return `${median.toFixed(2)}${unit} (${least.toFixed(2)}-${most.toFixed(2)})`
}
