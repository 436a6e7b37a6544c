import { expect, it } from 'vitest'
import { createBreaker } from './breaker.ts'

const CONFIG = { threshold: 0.5, minimum: 5 }

function watched(config = CONFIG) {
  const changes: string[] = []
  const breaker = createBreaker(config, (from, to, reason) =>
    changes.push(`${from} ${to} ${reason}`),
  )
  const note = (outcomes: string): void => {
    for (const outcome of outcomes)
      breaker.record(outcome === '+', outcome === '+' ? '' : 'deadline')
  }
  return { breaker, changes, note }
}

it.each([
  ['too few outcomes', '----', 'closed'],
  ['as many failures in a row as the minimum', '-----', 'open'],
  ['failures in a row after many successes', `${'+'.repeat(50)}-----`, 'open'],
  ['half of the last outcomes', '+-+-+-', 'open'],
  ['less than half', '++-++-++-++-++-', 'closed'],
  ['failures that the window has forgotten', `---${'+'.repeat(20)}---`, 'closed'],
  ['half of a full window', `${'+'.repeat(30)}${'--+'.repeat(6)}`, 'open'],
])('%s', (_name, outcomes, state) => {
  const { breaker, note } = watched()
  note(outcomes)
  expect(breaker.state).toBe(state)
})

it('starts anew after it closed, and tells each change once', () => {
  const { breaker, changes, note } = watched()
  note('-----')
  note('-----+')
  breaker.open('again')
  breaker.halfOpen('probe')
  note('+++')
  breaker.close('answered')
  breaker.close('answered')
  note('----')
  expect(breaker.state).toBe('closed')
  expect(changes).toEqual([
    'closed open deadline',
    'open half-open probe',
    'half-open closed answered',
  ])
})
