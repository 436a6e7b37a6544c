import { describe, expect, it } from 'vitest'
import { check } from './check.ts'
import { createRecorder, kinds, unpack, type Act } from './record.ts'

const signalUs = 1_000
const change: Act = {
  kind: kinds.removal,
  process: 0,
  key: 1,
  version: 5,
  began: 10_000,
  ended: 10_100,
}
const read = (kind: Act['kind'], process: number, began: number, version = 4): Act => ({
  kind,
  process,
  key: 1,
  version,
  began,
  ended: began + 50,
})
const found = (...acts: Act[]): number => check(acts, signalUs).violations.length

describe('the checker', () => {
  it.each([
    ['the process itself, at once', change, read(kinds.nearRead, 0, 10_101), 1],
    ['the process itself, before the answer', change, read(kinds.nearRead, 0, 10_099), 0],
    ['the new version', change, read(kinds.nearRead, 0, 10_101, 5), 0],
    ['another process that asks Redis', change, read(kinds.remoteRead, 1, 10_101), 1],
    ['another process by its copy, in time', change, read(kinds.nearRead, 1, 11_000), 0],
    ['another process by its copy, late', change, read(kinds.nearRead, 1, 11_101), 1],
    ['another process that shared a load', change, read(kinds.sharedRead, 1, 11_000), 0],
    ['the text after a removal', change, read(kinds.rawRead, 1, 10_101), 1],
    [
      'the text after a stamp',
      { ...change, kind: kinds.stamping },
      read(kinds.rawRead, 1, 90_000),
      0,
    ],
    [
      'another process after a stamp, late',
      { ...change, kind: kinds.stamping },
      read(kinds.remoteRead, 1, 11_101),
      1,
    ],
    [
      'a copy after a foreign removal',
      { ...change, kind: kinds.foreign },
      read(kinds.nearRead, 0, 10_200),
      0,
    ],
    [
      'Redis after a foreign removal',
      { ...change, kind: kinds.foreign },
      read(kinds.remoteRead, 0, 10_200),
      1,
    ],
    ['another key', { ...change, key: 2 }, read(kinds.nearRead, 0, 10_200), 0],
  ])('%s', (_, before, after, violations) => {
    expect(found(before, after)).toBe(violations)
    expect(found(after, before)).toBe(violations)
  })

  it('looks at every earlier change, not only at the last', () => {
    const later = { ...change, kind: kinds.stamping, process: 1, version: 6, ended: 10_150 }
    expect(found(change, later, read(kinds.nearRead, 0, 10_200))).toBe(1)
  })

  it('gets back what was packed', () => {
    const recorder = createRecorder()
    for (let i = 0; i < 3_000; i++) recorder.add(kinds.rawRead, i, i * 2, i * 3, i * 4 + 1e12)
    const acts = [...unpack(recorder.packed(), 7)]
    expect(acts).toHaveLength(3_000)
    expect(acts[2_999]).toEqual({
      kind: kinds.rawRead,
      process: 7,
      key: 2_999,
      version: 5_998,
      began: 8_997,
      ended: 11_996 + 1e12,
    })
  })
})
