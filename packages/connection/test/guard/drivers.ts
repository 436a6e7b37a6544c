import * as bullmq6 from 'bullmq'
import * as bullmq5 from 'bullmq5'
import * as ioredis6 from 'ioredis'
import * as ioredis5 from 'ioredis5'

/** What tests use of a client; the same in both majors. */
export interface Client {
  readonly status: string
  readonly options: Record<string, unknown>
  readonly stream: { destroy(): void; readonly writable: boolean }
  on(event: string, listener: (...args: never[]) => void): unknown
  once(event: string, listener: (...args: never[]) => void): unknown
  off(event: string, listener: (...args: never[]) => void): unknown
  eventNames(): (string | symbol)[]
  listeners(event: string | symbol): unknown[]
  call(...args: (string | number | Buffer)[]): Promise<unknown>
  get(key: string): Promise<string | null>
  set(key: string, value: string): Promise<unknown>
  incr(key: string): Promise<number>
  connect(): Promise<void>
  disconnect(reconnect?: boolean): void
  quit(): Promise<unknown>
  duplicate(override?: object): Client
}

export interface ClusterClient extends Client {
  nodes(role?: string): Client[]
}

export interface Job {
  readonly id?: string
}

export interface Bull {
  on(event: string, listener: (...args: never[]) => void): unknown
  close(): Promise<void>
  waitUntilReady(): Promise<unknown>
}

export interface BullQueue extends Bull {
  add(name: string, data: object, options?: object): Promise<Job>
  readonly client: Promise<unknown>
  getBackend(): { readonly client: Promise<unknown> }
}

export interface IoredisModule {
  readonly Redis: new (...args: (string | number | object)[]) => Client
  readonly Cluster: new (nodes: readonly object[], options?: object) => ClusterClient
}

export interface BullModule {
  readonly Queue: new (name: string, options: object) => BullQueue
  readonly Worker: new (name: string, run: (job: Job) => Promise<unknown>, options: object) => Bull
  readonly QueueEvents: new (name: string, options: object) => Bull
  readonly FlowProducer: new (options: object) => Bull
}

/** One major of ioredis with one major of BullMQ. */
export interface Driver extends IoredisModule, BullModule {
  readonly name: string
  readonly ioredis: 5 | 6
  readonly bullmq: 5 | 6
}

const clients = { 6: ioredis6 as unknown as IoredisModule, 5: ioredis5 as unknown as IoredisModule }
const queues = { 6: bullmq6 as unknown as BullModule, 5: bullmq5 as unknown as BullModule }

export function driver(ioredis: 5 | 6, bullmq: 5 | 6): Driver {
  const { Redis, Cluster } = clients[ioredis]
  const { Queue, Worker, QueueEvents, FlowProducer } = queues[bullmq]
  const name = `ioredis ${ioredis}, BullMQ ${bullmq}`
  return { name, ioredis, bullmq, Redis, Cluster, Queue, Worker, QueueEvents, FlowProducer }
}

/** Each major with its own time's BullMQ. */
export const drivers: readonly Driver[] = [driver(6, 6), driver(5, 5)]
export const allDrivers: readonly Driver[] = [...drivers, driver(6, 5), driver(5, 6)]

/** How BullMQ demands a connection, reconnecting fast so that tests are short. */
export const SHARED: object = { maxRetriesPerRequest: null, retryStrategy: () => 50 }

/** A listener for `error` events that are expected. */
export function ignore(): void {
  // The owner of a client listens, or ioredis prints to the console.
}
