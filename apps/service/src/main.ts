import process from 'node:process'
import { ConfigError, readConfig, type ServiceConfig } from './config.ts'
import { buildService } from './service.ts'

/*
 * The entry of the service. When a parent started it with an IPC channel, it tells its address
 * there, and ends when the parent is gone, however that happened.
 */

try {
  process.loadEnvFile(new URL('../.env', import.meta.url))
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

const config = configOrExit()
const service = await buildService(config)

let stopping = false
async function stop(reason: string): Promise<void> {
  if (stopping) return
  stopping = true
  service.app.log.info({ reason }, 'stopping')
  const force = setTimeout(() => {
    service.app.log.error('stopping took too long')
    process.exit(1)
  }, config.shutdownTimeoutMs)
  force.unref()
  const finished = await service.close()
  if (!finished) {
    service.app.log.error('jobs were cut off; another worker will take them up')
    process.exitCode = 1
  }
  if (process.connected) process.disconnect()
  // Nothing is left that keeps the process alive, so it ends by itself.
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => void stop(signal))
}
process.once('disconnect', () => void stop('parent is gone'))

const url = await service.start()
process.send?.({ listening: url })

function configOrExit(): ServiceConfig {
  try {
    return readConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(error.message)
    process.exit(1)
  }
}
