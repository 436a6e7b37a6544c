import { freePort, releasePort } from '../free-port.ts'
import { openRawConnection } from '../resp/raw-connection.ts'
import { RedisReplyError } from '../resp/reply.ts'
import { waitFor } from '../wait-for.ts'
import { PortTakenError, type Server, type ServerBackend, type ServerSpec } from './server.ts'
import type { RestartOptions } from './test-redis.ts'

const START_TIMEOUT = 30_000
const PORT_ATTEMPTS = 5
const PORT_TAKEN = /address already in use|could not create server tcp|port is already allocated/i

/** Creates and starts a server on a free port; draws another port when somebody takes it first. */
export async function launchServer(
  backend: ServerBackend,
  specOn: (port: number) => ServerSpec,
  options: { bus?: boolean } = {},
): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort({ bus: options.bus ?? false })
    const server = backend.create(specOn(port))
    try {
      await startServer(server)
      return server
    } catch (error) {
      await server.remove()
      releasePort(port)
      if (!(error instanceof PortTakenError) || attempt === PORT_ATTEMPTS) throw error
    }
  }
}

/** Starts a server and waits until it answers. */
export async function startServer(server: Server, options: RestartOptions = {}): Promise<void> {
  try {
    await server.start(options.args === undefined ? {} : { args: options.args })
  } catch (error) {
    throw PORT_TAKEN.test(String(error)) ? new PortTakenError(String(error)) : error
  }
  await waitFor(
    async () => (await server.failure()) !== undefined || answers(server, options.until),
    {
      timeout: START_TIMEOUT,
      what: `${server.spec.name} on port ${server.spec.port} to answer`,
      interval: 5,
    },
  )
  const failure = await server.failure()
  if (failure === undefined) return
  if (PORT_TAKEN.test(failure)) throw new PortTakenError(failure)
  throw new Error(`${server.spec.name} did not start: ${failure}`)
}

async function answers(server: Server, until: 'ready' | 'listening' = 'ready'): Promise<boolean> {
  const { host, spec } = server
  const connection = await openRawConnection({ host, port: spec.port, timeout: 1_000 })
  try {
    return (await connection.send('PING')) === 'PONG'
  } catch (error) {
    if (!(error instanceof RedisReplyError)) throw error
    return until === 'listening' || !/^(LOADING|BUSY|MASTERDOWN)/.test(error.message)
  } finally {
    connection.close()
  }
}
