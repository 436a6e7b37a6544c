import type { MetricsSnapshot } from '../snapshot.ts'

/** One line of an exposition. */
export interface Sample {
  /** Without `cache`, which every sample gets. */
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  /** Of a summary: not a quantile, but all that it has seen. */
  readonly part?: 'sum' | 'count'
}

/** A metric of one name. */
export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'summary'
  readonly help: string
  /** Beside `cache`. */
  readonly labels: readonly string[]
  /** How the values of several processes make one. */
  readonly aggregator: 'sum' | 'max' | 'average'
  read(snapshot: MetricsSnapshot): readonly Sample[]
}

type Value = number | undefined

/** What has no value now has no sample. */
export function sampleOf(labels: Sample['labels'], value: Value): readonly Sample[] {
  return value === undefined ? [] : [{ labels, value }]
}

export function counter(
  name: `cache_${string}_total`,
  help: string,
  read: (snapshot: MetricsSnapshot) => Value,
): Family {
  return {
    name,
    type: 'counter',
    help,
    labels: [],
    aggregator: 'sum',
    read: (snapshot) => sampleOf({}, read(snapshot)),
  }
}

export function gauge(
  name: `cache_${string}`,
  help: string,
  aggregator: Family['aggregator'],
  read: (snapshot: MetricsSnapshot) => Value,
): Family {
  return {
    name,
    type: 'gauge',
    help,
    labels: [],
    aggregator,
    read: (snapshot) => sampleOf({}, read(snapshot)),
  }
}
