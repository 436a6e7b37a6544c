import { EventEmitter } from 'node:events'
import { type FakeClock, fakeClock } from '@corral/testing'
import { expect, it } from 'vitest'
import type { IoredisClient } from '../client/ioredis-like.ts'
import { resolveOptions } from '../options.ts'
import { defineScript } from '../script.ts'
import type { Effect, Flight } from './flight.ts'
import { createLink, type Link } from './link.ts'

/** As ioredis's Command, as far as a link sees it. */
class Command {
  readonly promise: Promise<unknown>
  resolve!: (reply: unknown) => void
  reject!: (error: unknown) => void
  name: string
  args: unknown[]
  constructor(name: string, args: unknown[]) {
    this.name = name
    this.args = args
    this.promise = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }))
    this.promise.catch(() => undefined)
  }
}

/** A client that answers what and when the test says: interleavings that no real Redis can be made to show. */
class ScriptedClient extends EventEmitter {
  status = 'ready'
  readonly options = {}
  readonly stream = { writable: true, cork() {}, uncork() {} }
  sent: Command[] = []
  connects = 0
  sendCommand(command: Command): unknown {
    this.sent.push(command)
    return command.promise
  }
  ping(): unknown {
    return this.sendCommand(new Command('ping', []))
  }
  connect(): Promise<void> {
    this.connects++
    return Promise.resolve()
  }
  named(name: string): Command[] {
    return this.sent.filter((command) => command.name === name)
  }
  go(status: string): void {
    this.status = status
    this.emit(status)
  }
}

const bump = defineScript({ name: 'bump', lua: 'return 1' })

interface Told {
  reply?: unknown
  error?: { code: string; reason?: string; message: string }
}

function setUp(status = 'ready', given: object = {}) {
  const client = new ScriptedClient()
  client.status = status
  const clock: FakeClock = fakeClock()
  const source = { kind: 'connection', name: 'redis' } as const
  const options = { ...resolveOptions({ clock, onWarning: () => undefined, ...given }), source }
  const usable: boolean[] = []
  const link: Link = createLink({
    name: 'one',
    client: client as unknown as IoredisClient,
    options,
    onUsable: (_link, is) => usable.push(is),
  })
  const ask = (what = 'get', effect: Effect = 'read', durationMs = 200): Told => {
    const told: Told = {}
    const payload =
      effect === 'read' ? { name: what, args: ['key'] } : { script: bump, keys: ['key'], args: [] }
    const flight: Flight = link.flight({
      what,
      effect,
      durationMs,
      payload,
      succeed(reply) {
        told.reply = reply
        return undefined
      },
      fail: (error) => (told.error = error as never),
    })
    link.submit([flight])
    return told
  }
  const tick = (): Promise<void> => clock.advance(0)
  /** Answers the question for the server's time. */
  const tellTime = async (): Promise<void> => {
    for (const command of client.named('time')) command.resolve(['1700000000', '0'])
    await tick()
  }
  /** Fails calls until the breaker opens. */
  const hang = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) ask()
    await clock.advance(200)
    expect(link.health.read).toBe('open')
    client.sent = client.sent.filter(({ name }) => name !== 'get')
  }
  return { client, clock, link, ask, tick, tellTime, hang, usable }
}

function replyError(message: string): Error {
  const error = new Error(message)
  error.name = 'ReplyError'
  return error
}

it('refuses at once when the status is ready and the socket is dead already', async () => {
  const { client, ask, link } = setUp()
  client.stream.writable = false
  expect(ask().error).toMatchObject({ code: 'REDIS_UNAVAILABLE', reason: 'not-ready' })
  expect(link.refusal('read')).toMatchObject({ reason: 'not-ready' })
  expect(client.named('get')).toEqual([])
})

it('waits in the first connect within its deadline, and fails at once when that failed', async () => {
  const { client, clock, ask, tick } = setUp('connecting')
  const early = ask()
  await clock.advance(199)
  expect(early).toEqual({})
  await clock.advance(1)
  expect(early.error).toMatchObject({ reason: 'connecting' })
  const waiting = ask()
  client.go('connect')
  client.go('close')
  await tick()
  expect(waiting.error).toMatchObject({ reason: 'not-ready' })
  client.go('reconnecting')
  client.go('connecting')
  expect(ask().error).toMatchObject({ reason: 'not-ready' })
  client.go('ready')
  const last = ask()
  client.named('get')[0]?.resolve('value')
  await tick()
  expect(last.reply).toBe('value')
})

it('connects a lazy client once', () => {
  expect(setUp('wait').client.connects).toBe(1)
})

it('sends one probe at a time, and a second one at once after a late answer', async () => {
  const { client, clock, ask, hang, tellTime, usable } = setUp()
  await tellTime()
  await hang()
  expect(ask().error).toMatchObject({ reason: 'breaker-open' })
  await clock.advance(499)
  expect(client.named('ping')).toHaveLength(0)
  await clock.advance(60_000)
  expect(client.named('ping')).toHaveLength(1)
  expect(ask().error).toMatchObject({ reason: 'breaker-open' })
  client.named('ping')[0]?.resolve('PONG')
  await clock.advance(0)
  // It took a minute: the next one has to be in time.
  expect(client.named('ping')).toHaveLength(2)
  expect(ask().error).toMatchObject({ reason: 'breaker-open' })
  client.named('ping')[1]?.resolve('PONG')
  await clock.advance(0)
  expect(ask().error).toBeUndefined()
  expect(usable).toEqual([true, false, true])
})

it.each(['NOPERM this user has no permissions', 'MISCONF Redis is configured to save'])(
  'takes %s for a sign of life: a server that refuses PING may serve reads',
  async (message) => {
    const { client, clock, ask, hang, tick, link } = setUp()
    await hang()
    await clock.advance(500)
    client.named('ping')[0]?.reject(replyError(message))
    await tick()
    expect(link.health.read).toBe('closed')
    expect(ask().error).toBeUndefined()
  },
)

it('probes again after an error, at once on ready, and forgets the probe of the old connection', async () => {
  const { client, clock, link, hang, tick } = setUp()
  await hang()
  await clock.advance(500)
  client.named('ping')[0]?.reject(replyError('LOADING Redis is loading'))
  await tick()
  expect(link.health.read).toBe('open')
  await clock.advance(500)
  expect(client.named('ping')).toHaveLength(2)

  client.go('close')
  client.go('ready')
  expect(client.named('ping')).toHaveLength(3)
  client.named('ping')[1]?.resolve('PONG')
  await tick()
  expect(link.health.read).toBe('half-open')
  client.named('ping')[2]?.resolve('PONG')
  await tick()
  expect(link.health.read).toBe('closed')
})

it('holds writes back until the time of the server is known, anew after each ready', async () => {
  const { client, ask, tick, tellTime } = setUp()
  const held = ask('bump', 'grow')
  await tick()
  expect(client.named('eval')).toHaveLength(0)
  await tellTime()
  expect(client.named('eval')).toHaveLength(1)
  client.named('eval')[0]?.resolve('done')
  await tick()
  expect(held.reply).toBe('done')
  ask('bump', 'grow')
  // The text was sent once on this connection.
  expect(client.named('evalsha')).toHaveLength(1)
  client.go('close')
  client.sent = []
  client.go('ready')
  ask('bump', 'grow')
  expect(client.sent.map(({ name }) => name)).toEqual(['time'])
  await tellTime()
  expect(client.sent.map(({ name }) => name)).toEqual(['time', 'eval'])
})

it('builds on no very rough time of the server before it asked a second time', async () => {
  const { client, clock, ask, tick } = setUp()
  const held = ask('bump', 'grow')
  await clock.advance(100)
  client.named('time')[0]?.resolve(['1700000000', '0'])
  await tick()
  expect(client.named('eval')).toHaveLength(0)
  client.named('time')[1]?.resolve(['1700000000', '100'])
  await tick()
  // As precise as can be: no third question.
  expect(client.named('time')).toHaveLength(2)
  expect(client.named('eval')).toHaveLength(1)
  client.named('eval')[0]?.resolve('done')
  await tick()
  expect(held.reply).toBe('done')
})

it('says so when the server does not tell its time', async () => {
  const { client, ask, tick } = setUp()
  client
    .named('time')[0]
    ?.reject(replyError("NOPERM this user has no permissions to run the 'time' command"))
  await tick()
  expect(ask('bump', 'grow').error).toMatchObject({
    code: 'REDIS_REPLY',
    message: expect.stringContaining('NOPERM'),
  })
  expect(ask().error).toBeUndefined()
})

it('learns the time anew when a write was refused as late though it is not', async () => {
  const { client, ask, tick, tellTime } = setUp()
  await tellTime()
  const write = ask('bump', 'grow')
  client.named('eval')[0]?.reject(replyError('CORRALLATE the deadline of this write has passed'))
  await tick()
  expect(write.error).toMatchObject({ reason: 'deadline' })
  expect(client.named('time')).toHaveLength(2)
})

it('tells that a write was lost only when its deadline has passed, that a read was lost at once', async () => {
  const { client, clock, ask, tellTime } = setUp()
  await tellTime()
  const [read, write] = [ask(), ask('bump', 'grow')]
  await clock.advance(50)
  const command = client.named('eval')[0]!
  client.go('close')
  expect(read.error).toMatchObject({ reason: 'connection-lost' })
  expect(write).toEqual({})
  // What ioredis will send again is harmless.
  expect([command.name, command.args]).toEqual(['ping', []])
  await clock.advance(149)
  expect(write).toEqual({})
  await clock.advance(1)
  expect(write.error).toMatchObject({ reason: 'connection-lost' })
})

it('defuses a write at its deadline and one that ioredis gave up, and takes no late answer for another', async () => {
  const { client, clock, ask, tick, tellTime, link } = setUp()
  await tellTime()
  const late = ask('bump', 'grow')
  const [first] = client.named('eval')
  await clock.advance(200)
  expect(late.error).toMatchObject({ reason: 'deadline' })
  expect(first?.name).toBe('ping')
  expect(link.health.pending).toBe(1)
  first?.resolve('too late')
  await tick()
  expect(link.health.pending).toBe(0)
  expect(late.reply).toBeUndefined()

  const timedOut = ask('bump', 'grow')
  const [second] = client.named('evalsha')
  second?.reject(new Error('Command timed out'))
  await tick()
  expect(second?.name).toBe('ping')
  expect(timedOut).toEqual({})
  await clock.advance(200)
  expect(timedOut.error).toMatchObject({ reason: 'connection-lost' })
})

it("opens the breaker when an owner's commandTimeout hides the hang", async () => {
  const { client, ask, link, tick } = setUp()
  for (let i = 0; i < 5; i++) ask()
  for (const command of client.named('get')) command.reject(new Error('Command timed out'))
  await tick()
  expect(link.health.read).toBe('open')
})

it('keeps its bounds right through losses, waiting and late answers', async () => {
  const { client, clock, ask, tick, link } = setUp('ready', { maxPending: 2, maxQueued: 3 })
  const told = Array.from({ length: 6 }, () => ask())
  expect(link.health).toMatchObject({ pending: 2, queued: 3 })
  expect(told[5]?.error).toMatchObject({ reason: 'overloaded' })
  client.named('get')[0]?.resolve('a')
  await tick()
  expect(told[0]?.reply).toBe('a')
  expect(link.health).toMatchObject({ pending: 2, queued: 2 })
  await clock.advance(200)
  expect(link.health).toMatchObject({ pending: 2, queued: 0 })
  expect(told.slice(1, 5).map(({ error }) => error?.reason)).toEqual(Array(4).fill('deadline'))
  client.go('close')
  expect(link.health).toMatchObject({ pending: 0, queued: 0 })
  // Answers of the old connection change nothing.
  for (const command of client.named('get')) command.resolve('old')
  client.go('ready')
  await tick()
  expect(link.health).toMatchObject({ pending: 0, queued: 0, read: 'closed' })
  ask()
  expect(link.health).toMatchObject({ pending: 1, queued: 0 })
})

it('keeps the order of writes that wait for room', async () => {
  const { client, clock, link, tick, tellTime } = setUp('ready', { maxPendingBytes: 1024 })
  await tellTime()
  const submit = (what: string, bytes: number): void =>
    link.submit([
      link.flight({
        what,
        effect: 'grow',
        bytes,
        durationMs: 200,
        payload: { script: bump, keys: [what], args: [] },
        succeed: () => undefined,
        fail: () => undefined,
      }),
    ])
  submit('first', 1_000)
  submit('large', 1_000)
  submit('small', 10)
  await tick()
  const order = (): unknown[] =>
    client.sent.filter(({ name }) => name.startsWith('eval')).map(({ args }) => args[2])
  expect(order()).toEqual(['first'])
  client.named('eval')[0]?.resolve('done')
  await tick()
  expect(order()).toEqual(['first', 'large', 'small'].slice(0, order().length))
  client.named('evalsha')[0]?.resolve('done')
  await clock.advance(0)
  expect(order()).toEqual(['first', 'large', 'small'])
})

it('takes no notice of a second ready, and none of anything after close', async () => {
  const { client, ask, tick, link, clock } = setUp()
  const asked = ask()
  client.emit('ready')
  client.named('get')[0]?.resolve('value')
  await tick()
  expect(asked.reply).toBe('value')
  expect(link.reconnects).toBe(0)
  const under = ask()
  link.close()
  expect(under.error).toMatchObject({ reason: 'connection-lost' })
  expect(client.eventNames()).toEqual([])
  client.go('ready')
  expect(ask().error).toMatchObject({ code: 'CONNECTION_CLOSED' })
  await clock.advance(1_000)
  expect(clock.pendingTimers()).toBe(0)
})

it('is idle when the last call knows', async () => {
  const { client, clock, ask, link, tick, tellTime } = setUp()
  await tellTime()
  let idle = false
  await link.idle()
  ask()
  ask('bump', 'grow')
  void link.idle().then(() => (idle = true))
  client.named('get')[0]?.resolve('value')
  await tick()
  expect(idle).toBe(false)
  client.go('close')
  await clock.advance(100)
  expect(idle).toBe(false)
  await clock.advance(100)
  expect(idle).toBe(true)
})

it('calls a script lost whose text was asked for when the socket was dead already', async () => {
  const { client, ask, clock, tellTime, tick } = setUp()
  await tellTime()
  ask('bump', 'grow')
  client.named('eval')[0]?.resolve(1)
  await tick()
  const told = ask('bump', 'grow')
  client.stream.writable = false
  client.named('evalsha')[0]?.reject(replyError('NOSCRIPT No matching script'))
  await clock.advance(200)
  expect(told.error).toMatchObject({ code: 'REDIS_UNAVAILABLE', reason: 'connection-lost' })
})
