import { createServer } from 'node:net'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { freePort, releasePort } from './free-port.ts'

it('gives each port once, below the range of source ports, bus included', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort({ bus: true })))
  expect(new Set(ports).size).toBe(50)
  for (const port of ports) {
    expect(port + 10_000).toBeLessThan(32_768)
    for (const number of [port, port + 10_000]) {
      const server = createServer().listen(number, '127.0.0.1')
      await once(server, 'listening')
      server.close()
    }
    releasePort(port)
  }
})
