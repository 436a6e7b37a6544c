/** `CORRAL_PROOF=full` is the size that is claimed; without it, what a test run has time for. */
const full = process.env['CORRAL_PROOF'] === 'full'

export function sized<T>(usual: T, whole: T): T {
  return full ? whole : usual
}

/** Prints what was measured, so that a run can be quoted. */
export function figure(name: string, measured: Readonly<Record<string, unknown>>): void {
  const words = Object.entries(measured).map(([what, value]) => `${what} ${show(value)}`)
  process.stdout.write(`figure ${name}: ${words.join(', ')}\n`)
}

function show(value: unknown): string {
  if (typeof value === 'number') return String(Math.round(value * 100) / 100)
  return typeof value === 'string' ? value : JSON.stringify(value)
}
