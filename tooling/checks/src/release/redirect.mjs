// Loaded before an example: what it says to Redis on the usual port reaches a private server, and
// nothing else can be reached.
import { Socket } from 'node:net'

const connect = Socket.prototype.connect
Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0]
  if (Number(options.port) !== 6379) throw new Error(`an example went to port ${options.port}`)
  options.host = '127.0.0.1'
  options.port = Number(process.env.PRIVATE_REDIS_PORT)
  return connect.apply(this, args)
}
