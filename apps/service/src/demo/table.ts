/** A row: what it is, and a cell per column. */
export type Row = readonly [label: string, ...cells: string[]]

/** Lines of a table whose cells stand at the right of their columns. */
export function tableLines(rows: readonly Row[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length)
    }
  }
  return rows.map(([label, ...cells]) => {
    const right = cells.map((cell, column) => cell.padStart(widths[column + 1] ?? 0))
    return `  ${[label.padEnd(widths[0] ?? 0), ...right].join('   ')}`
  })
}

export function count(value: number): string {
  return value.toLocaleString('en-US')
}

export function milliseconds(value: number): string {
  if (Number.isNaN(value)) return '-'
  return `${value.toFixed(value < 100 ? 1 : 0)} ms`
}

export function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`
}
