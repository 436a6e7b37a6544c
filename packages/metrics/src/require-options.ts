import { describeValue } from '@corral/connection'

/** @throws TypeError for what is no object, or has an option that `of` does not know */
export function requireOptions(options: object, of: string, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options: must be an object, received ${describeValue(options)}`)
  }
  for (const [name, value] of Object.entries(options)) {
    if (known.includes(name)) continue
    throw new TypeError(
      `${name}: is no option of ${of} (${known.join(', ')}), received ${describeValue(value)}`,
    )
  }
}
