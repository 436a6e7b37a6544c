import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/*
 * Ports come from below the range from which the kernel takes source ports (32768 on Linux). A
 * server that is killed and restarted on a port of that range can find it taken by an outgoing
 * connection, and a client that keeps dialling a dead one can end up connected to itself. The
 * companion port of a cluster bus (+10,000) stays below it, too.
 */
const LOWEST = 12_000
const HIGHEST = 22_700
export const BUS_OFFSET = 10_000

const leases = join(tmpdir(), 'corral-test-ports')
const held = new Set<number>()

/**
 * A TCP port on 127.0.0.1 that nothing listens on, leased to this process until it ends or calls
 * `releasePort`: two test processes never get the same one, not even while a server that was
 * killed on it is away. With `bus`, port + 10,000 is free as well.
 */
export async function freePort(options: { bus?: boolean } = {}): Promise<number> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
    if (!lease(port)) continue
    if ((await canListen(port)) && (!options.bus || (await canListen(port + BUS_OFFSET))))
      return port
    releasePort(port)
  }
  throw new Error(`no free port found between ${LOWEST} and ${HIGHEST} in 500 attempts`)
}

/** Gives a port back. */
export function releasePort(port: number): void {
  if (held.delete(port)) rmSync(leaseFile(port), { force: true })
}

process.once('exit', () => {
  for (const port of held) releasePort(port)
})

function lease(port: number): boolean {
  if (held.has(port)) return false
  mkdirSync(leases, { recursive: true })
  try {
    const file = openSync(leaseFile(port), 'wx')
    writeSync(file, String(process.pid))
    closeSync(file)
    held.add(port)
    return true
  } catch {
    // Taken. A lease whose process is gone is cleared, for whoever draws this number next.
    if (isStale(port)) rmSync(leaseFile(port), { force: true })
    return false
  }
}

function isStale(port: number): boolean {
  try {
    const pid = Number(readFileSync(leaseFile(port), 'utf8'))
    // Empty: its owner is just about to write its pid.
    if (!(pid > 0)) return false
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

function leaseFile(port: number): string {
  return join(leases, String(port))
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.unref()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true))
    })
  })
}
