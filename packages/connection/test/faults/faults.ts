import type { FaultProxy, TestRedis } from '@corral/testing'
import { openRawConnection, waitFor } from '@corral/testing'

/** What a fault may lay its hands on. */
export interface Scene {
  readonly redis: TestRedis
  readonly proxy: FaultProxy
  /** Lets the producer of jobs rest, with nothing under way, for faults that lose recent writes. */
  quiet(): Promise<void>
}

export interface Fault {
  readonly name: string
  /** Arguments of the server. */
  readonly args?: readonly string[]
  /** The client is made while the fault is on. */
  readonly fromTheStart?: boolean
  /** Password of the client; wrong on purpose in some faults. */
  readonly password?: string
  /** Whether reads stop being answered, so that the breaker or the gate must refuse them. */
  readonly stopsReads: boolean
  begin(scene: Scene): Promise<void>
  end(scene: Scene): Promise<void>
}

const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']
const SLOW_LOADING = ['--key-load-delay', '300', '--loading-process-events-interval-bytes', '1024']

async function killClients(redis: TestRedis): Promise<void> {
  await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
}

/** Faults that strike again and again. */
const repeating = new WeakMap<Scene, NodeJS.Timeout>()

function repeat(scene: Scene, everyMs: number, strike: () => Promise<unknown>): void {
  repeating.set(
    scene,
    setInterval(() => void strike().catch(() => undefined), everyMs),
  )
}

const TO_LISTS = `for i = 0, 19 do
  redis.call('DEL', 'guard:' .. i)
  redis.call('RPUSH', 'guard:' .. i, 'a list')
end`

/** The faults that a connection has to live through. */
export const faults: readonly Fault[] = [
  {
    name: 'SIGSTOP',
    stopsReads: true,
    begin: ({ redis }) => redis.pause(),
    end: ({ redis }) => redis.resume(),
  },
  {
    name: 'kill -9, restarted',
    args: DURABLE,
    stopsReads: true,
    begin: ({ redis }) => redis.kill(),
    end: ({ redis }) => redis.restart(),
  },
  {
    name: 'refused at start',
    fromTheStart: true,
    stopsReads: true,
    begin: ({ proxy }) => proxy.refuse(true),
    end: ({ proxy }) => proxy.refuse(false),
  },
  {
    name: 'black hole',
    stopsReads: true,
    async begin({ proxy }) {
      proxy.blackHole()
    },
    end: ({ proxy }) => proxy.heal(),
  },
  {
    name: 'kill -9, then LOADING',
    stopsReads: true,
    async begin({ redis, quiet }) {
      await quiet()
      await redis.command('DEBUG', 'POPULATE', 5_000)
      await redis.command('SAVE')
      await redis.kill()
      await redis.restart(0, { args: SLOW_LOADING, until: 'listening' })
    },
    async end({ redis }) {
      await waitFor(async () => (await redis.command('PING')) === 'PONG', {
        what: 'the end of loading',
      })
    },
  },
  {
    name: 'READONLY replica',
    stopsReads: false,
    begin: async ({ redis }) => void (await redis.command('REPLICAOF', '127.0.0.1', 1)),
    end: async ({ redis }) => void (await redis.command('REPLICAOF', 'NO', 'ONE')),
  },
  {
    name: 'OOM under noeviction',
    stopsReads: false,
    begin: async ({ redis }) => void (await redis.command('CONFIG', 'SET', 'maxmemory', '100kb')),
    end: async ({ redis }) => void (await redis.command('CONFIG', 'SET', 'maxmemory', '0')),
  },
  {
    name: 'NOAUTH',
    stopsReads: true,
    async begin({ redis }) {
      await redis.command('CONFIG', 'SET', 'requirepass', 'until-then')
      await killWith(redis, 'until-then')
    },
    end: ({ redis }) => openUp(redis),
  },
  {
    name: 'wrong password at start',
    fromTheStart: true,
    password: 'not-this-one',
    stopsReads: true,
    begin: async ({ redis }) =>
      void (await redis.command('CONFIG', 'SET', 'requirepass', 'until-then')),
    async end({ redis }) {
      await commandWith(redis, 'until-then', 'CONFIG', 'SET', 'requirepass', 'not-this-one')
    },
  },
  {
    name: 'CLIENT KILL every 150 ms',
    stopsReads: false,
    async begin(scene) {
      repeat(scene, 150, () => killClients(scene.redis))
    },
    async end(scene) {
      clearInterval(repeating.get(scene))
    },
  },
  {
    name: 'WRONGTYPE at our keys',
    stopsReads: false,
    async begin(scene) {
      repeat(scene, 20, () => scene.redis.command('EVAL', TO_LISTS, 0))
    },
    async end(scene) {
      clearInterval(repeating.get(scene))
    },
  },
]

async function commandWith(redis: TestRedis, password: string, ...args: string[]): Promise<void> {
  const raw = await openRawConnection({ host: redis.host, port: redis.port, password })
  await raw.send(...args)
  raw.close()
}

function killWith(redis: TestRedis, password: string): Promise<void> {
  return commandWith(redis, password, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
}

function openUp(redis: TestRedis): Promise<void> {
  return commandWith(redis, 'until-then', 'CONFIG', 'SET', 'requirepass', '')
}
