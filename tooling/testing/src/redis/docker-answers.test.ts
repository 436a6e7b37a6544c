import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { pingDocker } from './docker-answers.ts'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function daemon(status: number | undefined): Promise<string> {
  server = createServer((request, response) => {
    if (status === undefined) return
    response.writeHead(request.url === '/_ping' ? status : 404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
}

it('believes a daemon that answers its ping', async () => {
  expect(await pingDocker({ DOCKER_HOST: await daemon(200) })).toBe(true)
  expect(await pingDocker({ DOCKER_HOST: await daemon(500) })).toBe(false)
})

it('gives a daemon that does not answer one second', async () => {
  const started = performance.now()
  expect(await pingDocker({ DOCKER_HOST: await daemon(undefined) })).toBe(false)
  expect(performance.now() - started).toBeLessThan(1_500)
})

it.each(['unix:///nowhere/docker.sock', 'tcp://127.0.0.1:1', 'ssh://somewhere', 'nonsense'])(
  'finds nobody at %s',
  async (address) => {
    expect(await pingDocker({ DOCKER_HOST: address })).toBe(false)
  },
)
