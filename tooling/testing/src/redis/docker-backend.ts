import { hostname } from 'node:os'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import {
  GenericContainer,
  getContainerRuntimeClient,
  getReaper,
  ImageName,
  Wait,
  type ContainerRuntimeClient,
} from 'testcontainers'
import { configFile } from './config-file.ts'
import { imageFor } from './docker-image.ts'
import type { Server, ServerBackend, ServerSpec } from './server.ts'

// Everything of a server lives here in its container, so that it can be carried into the next one.
const HOME = '/corral'
const CONFIG = `${HOME}/redis.conf`

type Container = ReturnType<ContainerRuntimeClient['container']['getById']>

/**
 * Runs servers as containers. On Linux they share the host's network, so that every server has the
 * same address for tests and for its peers, and a dead one refuses connections as a real one does.
 * Elsewhere a port is published, which is enough for a server that stays `alone`.
 */
export async function createDockerBackend(
  version: string | undefined,
  alone: boolean,
): Promise<ServerBackend> {
  const client = await getContainerRuntimeClient()
  const shared = await sharesOurNetwork(client)
  if (!shared && !alone) {
    throw new Error('several servers in Docker need a daemon on this Linux machine')
  }
  const image = imageFor(version, process.env['CORRAL_TEST_REDIS_IMAGE'])
  // Has all images here before they are relied on: a registry may be out of reach.
  await client.image.pull(ImageName.fromString(image))
  await getReaper(client)
  const runtime: Runtime = {
    client,
    image,
    shared,
    host: loopback(client.info.containerRuntime.host),
  }
  return {
    kind: 'docker',
    program: image,
    version,
    bind: shared ? '127.0.0.1' : '0.0.0.0',
    create: (spec) => createContainer(runtime, spec),
  }
}

interface Runtime {
  client: ContainerRuntimeClient
  image: string
  /** Whether containers are on the host's network. */
  shared: boolean
  host: string
}

function createContainer(runtime: Runtime, spec: ServerSpec): Server {
  let args = spec.args
  let container: Container | undefined

  const current = (): Container => {
    if (container !== undefined) return container
    throw new Error(`${spec.name} on port ${spec.port} is not running`)
  }
  const isRunning = async (): Promise<boolean> =>
    container !== undefined && (await container.inspect()).State.Running
  const kill = async (): Promise<void> => {
    if (await isRunning()) await current().kill({ signal: 'SIGKILL' })
    await container?.wait()
  }

  return {
    spec,
    host: runtime.shared ? '127.0.0.1' : runtime.host,
    pid: () => undefined,
    async start(options) {
      await kill()
      args = options?.args ?? args
      const before = container
      container = await run(runtime, spec, args, before && (await homeOf(before)))
      await before?.remove({ force: true, v: true })
    },
    async failure() {
      if (container === undefined || (await isRunning())) return undefined
      const log = await container.logs({ stdout: true, stderr: true, tail: 8 })
      const { ExitCode: status } = (await container.inspect()).State
      return `${runtime.image} ended (exit status ${status}); its log ends with:\n${textOf(log)}`
    },
    pause: async () => current().pause(),
    resume: async () => current().unpause(),
    kill,
    async remove() {
      const last = container
      container = undefined
      await last?.remove({ force: true, v: true })
    },
  }
}

async function run(
  { client, image, shared }: Runtime,
  spec: ServerSpec,
  args: readonly string[],
  home: Buffer | undefined,
): Promise<Container> {
  const config = configFile([...spec.directives, ['dir', `${HOME}/data`]])
  const container = new GenericContainer(image)
    .withEntrypoint(['redis-server'])
    .withCommand([CONFIG, ...(spec.kind === 'sentinel' ? ['--sentinel'] : []), ...args])
    // Whether it answers is for the caller to find out; the usual checks need a shell in the image.
    .withWaitStrategy(Wait.forLogMessage(/\S/))
  if (shared) container.withNetworkMode('host')
  else container.withExposedPorts({ container: spec.port, host: spec.port })
  if (home === undefined) {
    container.withCopyContentToContainer([
      { content: config, target: CONFIG },
      { content: '', target: `${HOME}/data/.keep` },
    ])
  } else {
    container.withCopyArchivesToContainer([{ tar: Readable.from([home]), target: '/' }])
  }
  const started = await container.start()
  return client.container.getById(started.getId())
}

/**
 * Whether the host network of containers is the network of this process. Not so for a daemon in a
 * virtual machine, on another machine, around the container that we run in, or without root.
 */
async function sharesOurNetwork(client: ContainerRuntimeClient): Promise<boolean> {
  const info = (await client.container.dockerode.info()) as {
    Name?: string
    SecurityOptions?: string[]
  }
  const rootless = info.SecurityOptions?.some((option) => option.includes('rootless')) ?? false
  return process.platform === 'linux' && info.Name === hostname() && !rootless
}

async function homeOf(container: Container): Promise<Buffer> {
  return buffer(await container.getArchive({ path: HOME }))
}

/** The text of a log, in which each piece has a header of eight bytes that ends with its length. */
function textOf(log: Buffer): string {
  const pieces: Buffer[] = []
  for (let at = 0; at + 8 <= log.length;) {
    const end = at + 8 + log.readUInt32BE(at + 4)
    pieces.push(log.subarray(at + 8, end))
    at = end
  }
  return Buffer.concat(pieces).toString('utf8').trimEnd()
}

/** 'localhost' may be tried as ::1 first, which not every daemon serves. */
function loopback(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host
}
