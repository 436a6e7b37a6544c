import { describeValue } from '@corral/connection'

/** @throws TypeError naming the argument and what was received */
export function requireArray(value: readonly unknown[], name: string): void {
  if (Array.isArray(value)) return
  throw new TypeError(`${name}: must be an array, received ${describeValue(value)}`)
}
