import { channel } from 'node:diagnostics_channel'
import { expect, it } from 'vitest'
import { recordTrace } from './trace-recorder.ts'

it('records the named channels in order until it is stopped', () => {
  const get = channel('corral:test:get')
  const set = channel('corral:test:set')
  const trace = recordTrace(['get', 'set'], 'corral:test:')
  expect(get.hasSubscribers).toBe(true)
  set.publish({ key: 'a' })
  get.publish({ key: 'b' })
  channel('corral:test:other').publish({})
  expect(trace.events).toEqual([
    { name: 'corral:test:set', message: { key: 'a' } },
    { name: 'corral:test:get', message: { key: 'b' } },
  ])
  expect(trace.of('get')).toEqual([{ key: 'b' }])
  trace.stop()
  get.publish({ key: 'c' })
  expect(trace.events).toHaveLength(2)
  expect(get.hasSubscribers).toBe(false)
})
