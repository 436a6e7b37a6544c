import { existsSync } from 'node:fs'
import { request, type RequestOptions } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'

const PATIENCE = 1_000

let answer: Promise<boolean> | undefined

/** Whether a Docker daemon answers within a second; asked once per process. */
export function dockerAnswers(): Promise<boolean> {
  answer ??= pingDocker(process.env)
  return answer
}

/** Asks the daemon that the environment names, or the one at a usual place. */
export function pingDocker(env: Readonly<Record<string, string | undefined>>): Promise<boolean> {
  const address = daemonAddress(env)
  if (address === undefined) return Promise.resolve(false)
  return new Promise((resolve) => {
    const asked = request({ ...address, path: '/_ping', timeout: PATIENCE }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    const timer = setTimeout(() => asked.destroy(new Error('too late')), PATIENCE)
    asked.on('error', () => resolve(false))
    asked.on('close', () => clearTimeout(timer))
    asked.end()
  })
}

function daemonAddress(
  env: Readonly<Record<string, string | undefined>>,
): Pick<RequestOptions, 'socketPath' | 'host' | 'port'> | undefined {
  const named = env['DOCKER_HOST']
  if (named) {
    if (named.startsWith('unix://')) return { socketPath: named.slice('unix://'.length) }
    const url = URL.canParse(named) ? new URL(named) : undefined
    // With TLS or ssh nothing is quickly asked; whoever has that sets CORRAL_TEST_REDIS=docker.
    if (url?.protocol !== 'tcp:' && url?.protocol !== 'http:') return undefined
    return { host: url.hostname, port: url.port || '2375' }
  }
  const places = [
    '/var/run/docker.sock',
    join(env['XDG_RUNTIME_DIR'] ?? '/nowhere', 'docker.sock'),
    join(homedir(), '.docker/run/docker.sock'),
    join(homedir(), '.docker/desktop/docker.sock'),
  ]
  const socketPath = places.find((place) => existsSync(place))
  return socketPath === undefined ? undefined : { socketPath }
}
