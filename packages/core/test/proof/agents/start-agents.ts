import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { spawnWorkers, type Workers } from '@corral/testing'
import type { Errands } from './errands.ts'

/** Another process with a cache, at the test's command. */
export type Agent = Errands

export interface Agents extends AsyncDisposable {
  readonly all: readonly Agent[]
  readonly workers: Workers<unknown>
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

export async function startAgents(count: number): Promise<Agents> {
  const agents: Agent[] = []
  let here = 0
  let allHere: () => void = () => {}
  const gathered = new Promise<void>((resolve) => (allHere = resolve))
  const server = createServer((socket) => {
    socket.setNoDelay()
    const waiting = new Map<number, Waiting>()
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as {
        index?: number
        id?: number
        result?: unknown
        error?: string
      }
      if (message.index !== undefined) {
        agents[message.index] = agentBehind(socket, waiting)
        if (++here === count) allHere()
        return
      }
      const call = waiting.get(message.id as number)
      waiting.delete(message.id as number)
      if (message.error === undefined) call?.resolve(message.result)
      else call?.reject(new Error(message.error))
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const call of waiting.values()) call.reject(new Error('the process has ended'))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const control = (server.address() as AddressInfo).port
  const module = new URL('./agent.ts', import.meta.url)
  const workers = await spawnWorkers(module, { count, data: { control } })
  await Promise.race([gathered, workers.results()])
  return {
    all: agents,
    workers,
    async [Symbol.asyncDispose]() {
      await workers.stop()
      server.close()
    },
  }
}

function agentBehind(socket: Socket, waiting: Map<number, Waiting>): Agent {
  let calls = 0
  return new Proxy({} as Agent, {
    get(_, name) {
      // It is no promise, whatever asks.
      if (name === 'then') return undefined
      return (...args: unknown[]) =>
        new Promise((resolve, reject) => {
          const id = ++calls
          waiting.set(id, { resolve, reject })
          socket.write(`${JSON.stringify({ id, name, args })}\n`)
        })
    },
  })
}
