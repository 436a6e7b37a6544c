import { expect, it } from 'vitest'
import type { Duration } from './duration.ts'
import { resolveOptions } from './options.ts'

it.each([
  ['deadline', 'x'],
  ['deadline', 500],
  ['deadline', '1ms'],
  ['deadline', Symbol('s')],
  ['maxPending', 0],
  ['maxPending', '8'],
  ['maxQueued', 1.5],
  ['maxPendingBytes', Number.NaN],
  ['maxValueBytes', -1],
  ['signals', 'yes'],
  ['clock', null],
  ['clock', {}],
  ['onWarning', null],
  ['breaker', 5],
])('names the option that is wrong: %s', (name, value) => {
  expect(() => resolveOptions({ [name]: value })).toThrow(new RegExp(`^${name}`))
})

it.each([
  ['threshold', 0],
  ['threshold', '0.9'],
  ['threshold', Symbol('s')],
  ['minimum', 21],
  ['openFor', '-1s'],
])('names the option of the breaker that is wrong: %s', (name, value) => {
  expect(() => resolveOptions({ breaker: { [name]: value } })).toThrow(
    new RegExp(`^breaker\\.${name}`),
  )
})

it('names an option that is not known', () => {
  expect(() => resolveOptions({ deadLine: '1s' } as object)).toThrow(/deadLine/)
})

it('prints no source text of a function that it was given', () => {
  const breaker: unknown = () => 'secret'
  expect(() => resolveOptions({ deadline: breaker as number })).toThrow(/received a function$/)
})

it.each(['redis://user:secret@host:6379', ' REDISS://:secret@host'])(
  'prints nothing of a URL that it was given: %s',
  (url) => {
    const deadline = url as Duration
    expect(() => resolveOptions({ deadline })).toThrow(/^deadline: [^:]*received a URL$/)
  },
)
