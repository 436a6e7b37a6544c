import { describe, expect, it } from 'vitest'
import { findBackend, satisfies, type BackendSources } from './find-backend.ts'
import type { ServerBackend } from './server.ts'

function backend(kind: 'binary' | 'docker', version: string | undefined): ServerBackend {
  return {
    kind,
    version,
    program: kind,
    bind: '127.0.0.1',
    create: () => {
      throw new Error('not to be started here')
    },
  }
}

/** A machine that has nothing, and notes what it was asked. */
function machine(has: Partial<BackendSources> = {}): BackendSources & { asked: string[] } {
  const asked: string[] = []
  const note = <T>(what: string, run: () => Promise<T>): (() => Promise<T>) => {
    return () => (asked.push(what), run())
  }
  return {
    asked,
    env: has.env ?? {},
    dockerAnswers: note('dockerAnswers', has.dockerAnswers ?? (() => Promise.resolve(false))),
    docker: (version) => {
      asked.push('docker')
      return (has.docker ?? ((v) => Promise.resolve(backend('docker', v))))(version)
    },
    binary: note('binary', has.binary ?? (() => Promise.resolve(undefined))),
    install: note('install', has.install ?? (() => Promise.resolve(false))),
    warn: (line) => void asked.push(line),
  }
}

const yes = (): Promise<boolean> => Promise.resolve(true)
const local = (): Promise<ServerBackend> => Promise.resolve(backend('binary', '7.0.15'))

describe('findBackend', () => {
  it('takes Docker when a daemon answers, and looks no further', async () => {
    const sources = machine({ dockerAnswers: yes, binary: local })
    expect((await findBackend({}, sources)).kind).toBe('docker')
    expect(sources.asked).toEqual(['dockerAnswers', 'docker'])
  })

  it('takes the executable on PATH when no daemon answers', async () => {
    const sources = machine({ binary: local })
    expect((await findBackend({}, sources)).kind).toBe('binary')
    expect(sources.asked).toEqual(['dockerAnswers', 'binary'])
  })

  it('falls back to the executable, saying so, when the image cannot be had', async () => {
    const docker = (): Promise<never> => Promise.reject(new Error('no such image\nmore'))
    const sources = machine({ dockerAnswers: yes, docker, binary: local })
    expect((await findBackend({}, sources)).kind).toBe('binary')
    expect(sources.asked).toContain('corral: Docker answers but cannot run Redis (no such image)')
  })

  it.each([
    ['the option', { prefer: 'binary' } as const, {}],
    ['the environment', {}, { CORRAL_TEST_REDIS: 'binary' }],
  ])('does not even ask Docker when %s says binary', async (_, wanted, env) => {
    const sources = machine({ dockerAnswers: yes, binary: local, env })
    expect((await findBackend(wanted, sources)).kind).toBe('binary')
    expect(sources.asked).toEqual(['binary'])
  })

  it('fails when Docker is forced and cannot serve', async () => {
    const forced = { CORRAL_TEST_REDIS: 'docker' }
    await expect(findBackend({}, machine({ binary: local, env: forced }))).rejects.toThrow(
      /no daemon answers/,
    )
    const docker = (): Promise<never> => Promise.reject(new Error('no such image'))
    const broken = machine({ dockerAnswers: yes, docker, binary: local, env: forced })
    await expect(findBackend({}, broken)).rejects.toThrow('no such image')
  })

  it('installs only when there is nothing else, and looks for the result', async () => {
    let installed = false
    const sources = machine({
      install: () => Promise.resolve((installed = true)),
      binary: () => (installed ? local() : Promise.resolve(undefined)),
    })
    expect((await findBackend({}, sources)).kind).toBe('binary')
    expect(sources.asked).toEqual(['dockerAnswers', 'binary', 'install', 'binary'])
  })

  it('tells how to get one when there is none', async () => {
    await expect(findBackend({}, machine())).rejects.toThrow(
      /no Redis server found: install .*start Docker, or set TEST_REDIS_URL/,
    )
  })

  it('refuses an executable of another version than asked for', async () => {
    const sources = machine({ binary: local })
    await expect(findBackend({ version: '8' }, sources)).rejects.toThrow(
      /Redis 8 was asked for, but binary is 7.0.15/,
    )
    expect((await findBackend({ version: '7.0' }, sources)).version).toBe('7.0.15')
  })

  it('names a wrong preference', async () => {
    const sources = machine({ env: { CORRAL_TEST_REDIS: 'podman' } })
    await expect(findBackend({}, sources)).rejects.toThrow(
      /'docker' or 'binary', received 'podman'/,
    )
  })
})

describe('satisfies', () => {
  it.each([
    ['7.0.15', '7', true],
    ['7.0.15', '7.0', true],
    ['7.0.15', '7.0.1', false],
    ['70.0.1', '7', false],
    ['valkey-8.1.0', 'valkey-8', true],
    ['valkey-8.1.0', '8', false],
    [undefined, '7', false],
  ])('%s as %s: %s', (actual, wanted, expected) => {
    expect(satisfies(actual, wanted)).toBe(expected)
  })
})
