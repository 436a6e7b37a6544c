import { describe, expect, it } from 'vitest'
import { requireName, requirePermits, resolveAcquire, resolveLocksOptions } from './options.ts'

const base = { connection: {}, namespace: 'shop' }
const defaults = { ttlMs: 30_000, waitMs: 10_000, delayMs: 100 }

describe('options of createLocks', () => {
  it('have defaults', () => {
    expect(resolveLocksOptions(base)).toMatchObject({
      ...defaults,
      keepMs: 30 * 86_400_000,
      replicas: undefined,
    })
    expect(resolveLocksOptions({ ...base, replicas: 0 }).replicas).toBeUndefined()
    expect(resolveLocksOptions({ ...base, replicas: 2 }).replicas).toMatchObject({
      count: 2,
      timeoutMs: 100,
    })
  })

  it.each<[object, RegExp]>([
    [{ namespace: '' }, /namespace/],
    [{ namespace: 'bull' }, /bull/],
    [{ ttl: '10ms' }, /ttl: must lie/],
    [{ ttl: -1 }, /ttl/],
    [{ ttl: '25h' }, /ttl: must lie/],
    [{ wait: 500 }, /did you mean '500ms'/],
    [{ wait: '2h' }, /wait: must lie/],
    [{ retry: { delay: '1ms' } }, /retry.delay/],
    [{ retry: { attempts: 1.5 } }, /retry.attempts/],
    [{ retry: { count: 3 } }, /unknown option 'count'/],
    [{ fenceRetention: '1h' }, /fenceRetention/],
    [{ replicas: 17 }, /replicas.count/],
    [{ replicas: { count: 1, timeout: 200 } }, /did you mean/],
    [{ waits: 3 }, /unknown option 'waits'/],
  ])('are refused when wrong: %j', (wrong, message) => {
    expect(() => resolveLocksOptions({ ...base, ...wrong })).toThrow(message)
  })
})

describe('options of a call', () => {
  it('complete those of createLocks', () => {
    expect(resolveAcquire(undefined, defaults)).toEqual({
      ...defaults,
      signal: undefined,
      autoExtend: false,
    })
    expect(resolveAcquire({ ttl: 5, wait: '1s', retry: { delay: 0.02 } }, defaults)).toMatchObject({
      ttlMs: 5_000,
      waitMs: 1_000,
      delayMs: 20,
    })
  })

  it('read attempts as the time that they would take', () => {
    const retry = { attempts: 3, delay: '200ms' } as const
    expect(resolveAcquire({ retry }, defaults).waitMs).toBe(600)
    expect(resolveAcquire({ retry, wait: '1s' }, defaults).waitMs).toBe(1_000)
  })

  it('are refused when wrong', () => {
    expect(() => resolveAcquire({ signal: {} as AbortSignal }, defaults)).toThrow(/signal/)
    expect(() => resolveAcquire({ autoExtend: 1 as unknown as boolean }, defaults)).toThrow(
      /autoExtend/,
    )
    expect(() => resolveAcquire(5 as unknown as object, defaults)).toThrow(/must be an object/)
  })
})

it('names and permits are checked', () => {
  expect(() => requireName('')).toThrow(TypeError)
  expect(() => requireName(5 as unknown as string)).toThrow(TypeError)
  expect(() => requirePermits(0)).toThrow(RangeError)
  expect(requirePermits(3)).toBe(3)
})
