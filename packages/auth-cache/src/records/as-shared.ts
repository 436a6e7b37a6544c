/**
 * Makes JSON data fit to be shared: frozen all through, as no caller may change what another gets,
 * and without own `__proto__` keys, which a caller's `Object.assign` would take for a prototype.
 */
export function asShared<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (Object.hasOwn(value, '__proto__')) Reflect.deleteProperty(value, '__proto__')
  for (const part of Object.values(value)) asShared(part)
  return Object.freeze(value)
}
