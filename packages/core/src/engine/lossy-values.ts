/** Told of a loaded value and of what everybody will read of it; warns once if something was lost. */
export type LossyValues = (key: string, value: unknown, copy: unknown) => void

/** Most parts of a value that are looked at. */
const mostParts = 10_000

/**
 * Warns a developer whose loader brings what JSON does not keep: a Date comes back as a string. Types
 * tell it under TypeScript, and nobody tells it where they are not looked at.
 *
 * @returns undefined in production
 */
export function createLossyValues(namespace: string): LossyValues | undefined {
  if (process.env['NODE_ENV'] === 'production') return undefined
  let warned = false
  return (key, value, copy) => {
    if (warned) return
    let loss: string | undefined
    try {
      loss = findLoss(value, copy)
    } catch {
      // A getter of theirs. It was stored, and that is what counts.
    }
    if (loss === undefined) return
    warned = true
    process.emitWarning(
      `the value of ${JSON.stringify(key)} in ${namespace} changes in the cache: ${loss}. Callers get ` +
        'what is stored, the first one too. Bring plain data, or keep it with the serializer msgpack ' +
        'of @corral/core/msgpack. Told once for this cache, and not in production.',
      { type: 'CorralWarning', code: 'CORRAL_LOSSY_VALUE' },
    )
  }
}

/**
 * What of a value is another thing in its copy, as text. Properties that are `undefined` are no loss:
 * who reads them gets `undefined` all the same.
 */
export function findLoss(value: unknown, copy: unknown): string | undefined {
  const open: [path: string, value: unknown, copy: unknown][] = [['', value, copy]]
  for (let parts = 0; parts < mostParts; parts++) {
    const next = open.pop()
    if (next === undefined) return undefined
    const [path, one, other] = next
    if (Object.is(one, other) || (one === 0 && other === 0)) continue
    const kind = kindOf(one)
    const loss = `${path === '' ? 'it' : path} is ${named(one)} and becomes ${named(other)}`
    if (kind !== kindOf(other) || typeof one !== 'object') return loss
    // A Buffer, or what the serializer knows and brings back as what it was.
    if (!isContainer(one) || !isContainer(other)) continue
    for (const name of Array.isArray(one) ? one.keys() : Object.keys(one)) {
      if (open.length > mostParts) break
      const inner = one[name]
      if (inner === undefined && !Array.isArray(one)) continue
      const step = Array.isArray(one) ? `[${name}]` : `${path === '' ? '' : '.'}${name}`
      open.push([path + step, inner, other[name]])
    }
  }
  return undefined
}

function isContainer(value: unknown): value is Record<string | number, unknown> {
  return Array.isArray(value) || kindOf(value) === 'object'
}

/** A plain object is an 'object'; of what has a class it is the name. */
function kindOf(value: unknown): string {
  if (value === null || typeof value !== 'object') return typeof value
  if (Array.isArray(value)) return 'array'
  if (Buffer.isBuffer(value)) return 'Buffer'
  const prototype = Object.getPrototypeOf(value) as { readonly constructor?: unknown } | null
  if (prototype === null || prototype === Object.prototype) return 'object'
  const { constructor } = prototype
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'a class'
}

function named(value: unknown): string {
  if (value === null || value === undefined || Number.isNaN(value)) return String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? 'another number' : String(value)
  const kind = kindOf(value)
  if (kind === 'object') return 'a plain object'
  return /^[aeio]/i.test(kind) ? `an ${kind}` : `a ${kind}`
}
