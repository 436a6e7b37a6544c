import { connect, type Socket } from 'node:net'
import { harnessUser, isLimitedRun } from '../acl/limited-run.ts'
import { createReplyParser, RedisReplyError, type ParsedReply, type Reply } from './reply.ts'

export interface RawConnectionOptions {
  host: string
  port: number
  /** Sent as AUTH right after connecting. */
  username?: string
  password?: string
  /** Milliseconds until connecting or a reply counts as failed. Default 5,000. */
  timeout?: number
  /** Receives replies that nobody asked for (MONITOR lines, pub/sub messages). */
  onPush?: (reply: ParsedReply) => void
}

export interface RawConnection {
  /** Sends one command; rejects with `RedisReplyError` on an error reply. */
  send(...args: (string | number | Buffer)[]): Promise<Reply>
  /** Closes the socket; what is still awaited rejects. */
  close(): void
}

interface Waiter {
  resolve(reply: ParsedReply): void
  reject(error: Error): void
}

/**
 * A RESP2 connection without any cleverness: no retries, no ready check, no queue. What it was told
 * to send is all that the server sees, which is what fixtures and probes want.
 */
export async function openRawConnection(options: RawConnectionOptions): Promise<RawConnection> {
  const { host, port, timeout = 5_000, onPush } = options
  const socket = await dial(host, port, timeout)
  const waiting: Waiter[] = []
  let closed: Error | undefined

  const fail = (error: Error): void => {
    closed ??= error
    socket.destroy()
    for (const waiter of waiting.splice(0)) waiter.reject(closed)
  }
  const parse = createReplyParser((reply) => {
    const waiter = waiting.shift()
    if (waiter !== undefined) waiter.resolve(reply)
    else onPush?.(reply)
  })
  socket.on('data', (chunk: Buffer) => {
    try {
      parse(chunk)
    } catch (error) {
      fail(error as Error)
    }
  })
  socket.on('error', (error) => fail(error))
  socket.on('close', () => fail(new Error(`connection to ${host}:${port} closed`)))

  const send = async (...args: (string | number | Buffer)[]): Promise<Reply> => {
    if (closed !== undefined) throw closed
    const reply = await new Promise<ParsedReply>((resolve, reject) => {
      const timer = setTimeout(() => {
        fail(new Error(`no reply to ${String(args[0])} from ${host}:${port} within ${timeout} ms`))
      }, timeout)
      waiting.push({
        resolve: (value) => (clearTimeout(timer), resolve(value)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      })
      socket.write(encodeCommand(args))
    })
    if (reply instanceof RedisReplyError) throw reply
    return reply as Reply
  }

  const { username, password } = isLimitedRun() && !options.username ? harnessUser : options
  if (password !== undefined) {
    const user = username ? [username] : []
    try {
      await send('AUTH', ...user, password)
    } catch (error) {
      fail(error as Error)
      throw error
    }
  }
  return { send, close: () => fail(new Error('closed by its owner')) }
}

/** One command as RESP bytes. */
export function encodeCommand(args: readonly (string | number | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg))
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

function dial(host: string, port: number, timeout: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`could not connect to ${host}:${port} within ${timeout} ms`))
    }, timeout)
    socket.once('error', (error) => (clearTimeout(timer), reject(error)))
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      resolve(socket)
    })
  })
}
