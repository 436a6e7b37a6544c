import { connect, createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, it } from 'vitest'

it('a unit test cannot reach another machine or the default Redis', () => {
  expect(() => connect({ host: 'example.com', port: 443 })).toThrow('example.com:443')
  expect(() => connect(80, '192.0.2.1')).toThrow('192.0.2.1:80')
  expect(() => connect(6379)).toThrow('localhost:6379')
  expect(() => connect({ port: 6379, host: '127.0.0.1' })).toThrow('127.0.0.1:6379')
})

it('a unit test can reach a server of its own', async () => {
  const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  expect(String((await once(socket, 'data'))[0])).toBe('hello')
  socket.destroy()
  server.close()
})
