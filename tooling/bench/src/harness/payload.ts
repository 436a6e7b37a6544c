/** A JSON text of exactly `bytes` bytes that parses to a small record of strings and numbers. */
export function payloadOf(bytes: number, id: number): string {
  const record = {
    id,
    name: `user ${id}`,
    active: true,
    score: id * 1.5,
    roles: ['reader', 'writer'],
    notes: '',
  }
  const bare = JSON.stringify(record).length
  if (bare > bytes) throw new RangeError(`payloadOf: ${bytes} bytes are too few`)
  return JSON.stringify({ ...record, notes: 'n'.repeat(bytes - bare) })
}

/** How many different keys a row walks through, unless it needs more. */
export const KEYS = 1000

/** `count` values of one size, decoded. */
export function records(bytes: number, count: number = KEYS): unknown[] {
  return Array.from({ length: count }, (_, id): unknown => JSON.parse(payloadOf(bytes, id)))
}
