/**
 * Freezes JSON data (arrays, plain objects and what they hold) all the way down, and tells whether it
 * was nothing else. A value that holds a Buffer, Date, Map, Set or the like is left as it is: freezing
 * does not keep their contents from being changed.
 */
export function freezeData(value: unknown): boolean {
  if (!isData(value)) return false
  const open: unknown[] = [value]
  while (open.length > 0) {
    const one = open.pop()
    if (typeof one !== 'object' || one === null || Object.isFrozen(one)) continue
    Object.freeze(one)
    for (const inner of Object.values(one)) open.push(inner)
  }
  return true
}

function isData(value: unknown): boolean {
  const open: unknown[] = [value]
  const met = new Set<unknown>()
  while (open.length > 0) {
    const one = open.pop()
    if (typeof one === 'function') return false
    if (typeof one !== 'object' || one === null || met.has(one)) continue
    if (!Array.isArray(one) && !isPlain(one)) return false
    met.add(one)
    for (const inner of Object.values(one)) open.push(inner)
  }
  return true
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** A copy that shares nothing which can be changed. A Buffer stays a Buffer. */
export function cloneValue<T>(value: T): T {
  return clone(value, new Map()) as T
}

function clone(value: unknown, done: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = done.get(value)
  if (known !== undefined) return known
  if (Array.isArray(value)) {
    const copy: unknown[] = []
    done.set(value, copy)
    for (const inner of value) copy.push(clone(inner, done))
    return copy
  }
  if (isPlain(value)) {
    const copy = Object.create(Object.getPrototypeOf(value) as object | null) as object
    done.set(value, copy)
    for (const [name, inner] of Object.entries(value)) put(copy, name, clone(inner, done))
    return copy
  }
  const copy = cloneRich(value, done)
  done.set(value, copy)
  return copy
}

/** Defined, not assigned: a key named `__proto__` stays a key. */
function put(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  })
}

function cloneRich(value: object, done: Map<object, unknown>): object {
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  if (value instanceof Date) return new Date(value)
  if (value instanceof Map) {
    const copy = new Map<unknown, unknown>()
    done.set(value, copy)
    for (const [key, inner] of value) copy.set(clone(key, done), clone(inner, done))
    return copy
  }
  if (value instanceof Set) {
    const copy = new Set<unknown>()
    done.set(value, copy)
    for (const inner of value) copy.add(clone(inner, done))
    return copy
  }
  return structuredClone(value)
}
