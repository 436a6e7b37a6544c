import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allGuards, without, type Guard } from './model/guards.ts'
import { Violation } from './model/ledger.ts'
import { exploreAll, runModel } from './model/model-run.ts'
import { bigKeys, bigScenario, planted, smallScenarios } from './model/scenarios.ts'
import type { Scenario } from './model/model-run.ts'

const change = fc.tuple(
  fc.constantFrom('set', 'delete', 'tag', 'clear', 'foreign-set', 'foreign-delete'),
  fc.constantFrom(...bigKeys),
)

describe('the protocol, in every order of events', () => {
  test.each(Object.entries(smallScenarios))('%s', (_, scenario) => {
    const { orders, violation } = exploreAll(scenario, allGuards)
    expect(violation).toBeUndefined()
    expect(orders).toBeGreaterThan(0)
  })
})

describe('without a guard, some order breaks a promise', () => {
  test.each(Object.entries(planted) as [Guard, string][])('%s: %s', (guard, name) => {
    const { violation } = exploreAll(smallScenarios[name] as Scenario, without(guard))
    expect(violation).toBeInstanceOf(Violation)
  })
})

describe('everything at once, in random orders', () => {
  test.each([
    ['one server', false],
    ['a cluster whose clocks differ', true],
  ])('%s', (_, cluster) => {
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(fc.nat(1_000_000)),
        (changes, choices) => {
          runModel(bigScenario(cluster, changes), allGuards, (width) => {
            return (choices.next().value as number) % width
          })
        },
      ),
      { numRuns: 20_000 },
    )
  })
})
