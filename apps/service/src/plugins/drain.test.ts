import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fastify, type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { registerDrain } from './drain.ts'

let app: FastifyInstance
let stopping: () => boolean
let port: number
/** Lets the requests to /slow go on. */
let release: () => void

beforeEach(async () => {
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  app = fastify({ return503OnClosing: false })
  stopping = registerDrain(app)
  app.get('/', async () => 'ok')
  app.get('/slow', async () => {
    await released
    return 'slow'
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('not a TCP address')
  ;({ port } = address)
})

afterEach(() => app.close())

interface Client {
  socket: Socket
  received(): string
  request(path: string): void
}

async function client(): Promise<Client> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(socket, 'connect')
  return {
    socket,
    received: () => text,
    request: (path) => void socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`),
  }
}

async function established(): Promise<Client> {
  const one = await client()
  one.request('/')
  await vi.waitFor(() => expect(one.received()).toContain('\r\n\r\nok'))
  expect(one.received()).toContain('keep-alive')
  return one
}

/** Stops this process for so many milliseconds. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

describe('a service that stops', () => {
  it('answers what comes on a kept-alive connection, and ends the connection with it', async () => {
    const one = await established()
    const closed = app.close()
    await vi.waitFor(() => expect(stopping()).toBe(true))
    await vi.waitFor(() => expect(app.server.listening).toBe(false))
    one.request('/')
    await once(one.socket, 'close')
    const [, second] = one.received().split('\r\n\r\nok')
    expect(second).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(second).toContain('connection: close')
    await closed
  })

  it('finishes requests at work and takes their connection along', async () => {
    const one = await client()
    const arrived = new Promise<void>((resolve) => app.server.once('request', () => resolve()))
    one.request('/slow')
    await arrived
    let done = false
    const closed = app.close().then(() => (done = true))
    await vi.waitFor(() => expect(app.server.listening).toBe(false))
    // Past the moment at which idle connections are cut: this one is none of them.
    const idle = performance.now()
    await vi.waitFor(() => expect(performance.now() - idle).toBeGreaterThan(400), { timeout: 2000 })
    expect(done).toBe(false)
    release()
    await once(one.socket, 'close')
    expect(one.received()).toContain('\r\n\r\nslow')
    expect(one.received()).toContain('connection: close')
    await closed
  })

  it('answers a request that came in time, although the process was stopped meanwhile', async () => {
    const one = await established()
    const closed = app.close()
    await vi.waitFor(() => expect(app.server.listening).toBe(false))
    // From here timers come first, what arrived afterwards.
    await new Promise((resolve) => setImmediate(resolve))
    one.request('/')
    pause(400)
    await once(one.socket, 'close')
    expect(one.received().split('\r\n\r\nok')).toHaveLength(3)
    await closed
  })

  it('answers whoever was not accepted yet', async () => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.end('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    // The kernel connects them; this process has not looked yet when it is told to stop.
    pause(50)
    const closed = app.close()
    await once(socket, 'close')
    expect(text).toMatch(/^HTTP\/1\.1 200 OK/)
    await closed
  })

  it('closes idle connections after a moment and accepts no more', async () => {
    const one = await established()
    const start = performance.now()
    const closed = app.close()
    await once(one.socket, 'close')
    expect(performance.now() - start).toBeGreaterThan(200)
    await closed
    const late = connect(port, '127.0.0.1')
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
  })
})
