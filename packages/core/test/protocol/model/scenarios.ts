import { namespaceStampKey, tagStampKey } from '../../../src/protocol/index.ts'
import { listKeeper, loader, memoryPressure, NAMESPACE, refresher, writer } from './flows.ts'
import type { Change } from './flows.ts'
import type { Guard } from './guards.ts'
import type { Scenario } from './model-run.ts'

const A = `${NAMESPACE}::a`
const B = `${NAMESPACE}::b`
const SKEW_US = 250_000

/** Node clocks of a cluster: stamps and data differ, and by less than the skew. */
const clusterClocks = (key: string): number =>
  key === tagStampKey(NAMESPACE, 't') ? -200_000 : key === namespaceStampKey(NAMESPACE) ? 30_000 : 0

const changing = (...changes: Change[]): Scenario => ({
  keys: [A],
  start(add, client) {
    add('loader', loader(client(), A))
    add(
      'writer',
      writer(
        client(),
        changes.map((change) => [change, A]),
      ),
    )
  },
})

/** Small enough to play in every order. */
export const smallScenarios: Record<string, Scenario> = {
  'a load against each kind of invalidation': changing('delete', 'tag'),
  'a load against a set and a delete': changing('set', 'delete'),
  'a load against foreign writes': changing('foreign-set', 'foreign-delete'),
  'a load against a foreign delete': changing('foreign-delete'),
  'a load against clear and its sweep': changing('clear'),
  'set after clear, beside its sweep': {
    keys: [A],
    start: (add, client) =>
      add(
        'writer',
        writer(client(), [
          ['clear', A],
          ['set', A],
        ]),
      ),
  },
  'two loads, one fails': {
    keys: [A],
    start(add, client) {
      add('loader', loader(client(), A))
      add('failing', loader(client(), A, 'fails'))
      add('writer', writer(client(), [['delete', A]]))
    },
  },
  'set after a failed load': {
    keys: [A],
    start(add, client) {
      add('failing', loader(client(), A, 'fails'))
      add('writer', writer(client(), [['set', A]]))
    },
  },
  'a refresh against a set': {
    keys: [A],
    start(add, client) {
      add(
        'writer',
        writer(client(), [
          ['set', A],
          ['set', A],
        ]),
      )
      add('refresher', refresher(client(), A))
      add('another', refresher(client(), A))
    },
  },
  'a dead entry is replaced beside a set': {
    keys: [A],
    start(add, client) {
      add(
        'writer',
        writer(client(), [
          ['set', A],
          ['tag', A],
          ['set', A],
        ]),
      )
      add('loader', loader(client(), A))
    },
  },
  'a load where a list appears': {
    keys: [A],
    start(add, client) {
      add('loader', loader(client(), A))
      add('keeper', listKeeper(A))
    },
  },
  'writes while memory fills up': {
    keys: [A],
    start(add, client) {
      add('memory', memoryPressure())
      add('loader', loader(client(), A))
      add(
        'writer',
        writer(client(), [
          ['set', A],
          ['tag', A],
        ]),
      )
    },
  },
  'a set that is given up': {
    keys: [A],
    faults: true,
    start: (add, client) =>
      add(
        'writer',
        writer(client(), [
          ['set', A],
          ['delete', A],
        ]),
      ),
  },
  'clear, then set, in a cluster': {
    keys: [A],
    offsets: clusterClocks,
    skewUs: SKEW_US,
    start: (add, client) =>
      add(
        'writer',
        writer(client(), [
          ['clear', A],
          ['set', A],
          ['tag', A],
        ]),
      ),
  },
  'a load against a tag in a cluster': {
    keys: [A],
    offsets: clusterClocks,
    skewUs: SKEW_US,
    start: changing('tag').start,
  },
}

/** Everything at once, for random orders. */
export function bigScenario(cluster: boolean, changes: readonly [Change, string][]): Scenario {
  return {
    keys: [A, B],
    faults: true,
    ...(cluster && { offsets: clusterClocks, skewUs: SKEW_US }),
    start(add, client) {
      add('crashing', loader(client(), A, 'crashes'))
      add('failing', loader(client(), A, 'fails'))
      add('loader', loader(client(), A))
      add('second', loader(client(), A))
      add('other', loader(client(), B))
      add('refresher', refresher(client(), A))
      add('again', refresher(client(), A))
      add('writer', writer(client(), changes))
    },
  }
}

export const bigKeys: readonly string[] = [A, B]

/** Which small scenario shows that a guard is needed. */
export const planted: Record<Guard, string> = {
  'fill-needs-lease': 'a load against a set and a delete',
  'delete-breaks-lease': 'a load against each kind of invalidation',
  'one-lease': 'two loads, one fails',
  'release-compares': 'set after a failed load',
  'dead-is-known': 'a dead entry is replaced beside a set',
  'refresh-compares': 'a refresh against a set',
  deadline: 'a set that is given up',
  'loaded-at-lease': 'a load against each kind of invalidation',
  skew: 'a load against a tag in a cluster',
  seen: 'clear, then set, in a cluster',
  'seen-per-stamp': 'clear, then set, in a cluster',
  'sweep-compares': 'set after clear, beside its sweep',
  'fill-checks-type': 'a load where a list appears',
  'room-first': 'writes while memory fills up',
}
