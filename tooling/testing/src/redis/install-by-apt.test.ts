import { describe, expect, it } from 'vitest'
import { installByApt, type AptMachine } from './install-by-apt.ts'

interface Recorded extends AptMachine {
  ran: string[]
  said: string[]
}

function machine(overrides: Partial<AptMachine> = {}): Recorded {
  const ran: string[] = []
  const said: string[] = []
  return {
    ran,
    said,
    isRoot: true,
    hasApt: true,
    osRelease: 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    run: (command, args) => {
      ran.push([command, ...args].join(' '))
      return Promise.resolve(0)
    },
    announce: (line) => void said.push(line),
    ...overrides,
  }
}

describe('installByApt', () => {
  it('says in one line what it does, and does it', async () => {
    const debian = machine()
    expect(await installByApt(debian)).toBe(true)
    expect(debian.said).toHaveLength(1)
    expect(debian.said[0]).toContain('apt-get install -y redis-server')
    expect(debian.ran.at(-1)).toMatch(/^apt-get install -y .*redis-server$/)
  })

  it('knows the relatives of Debian', async () => {
    expect(
      await installByApt(machine({ osRelease: 'ID=linuxmint\nID_LIKE="ubuntu debian"\n' })),
    ).toBe(true)
  })

  it.each([
    ['without root', { isRoot: false }],
    ['on another distribution', { osRelease: 'ID=fedora\n' }],
    ['without apt-get', { hasApt: false }],
    ['without a distribution', { osRelease: '' }],
  ])('does nothing %s', async (_, overrides) => {
    const other = machine(overrides)
    expect(await installByApt(other)).toBe(false)
    expect([...other.ran, ...other.said]).toEqual([])
  })

  it('installs with an old package list when updating fails, and tells when installing fails', async () => {
    const offline = machine({ run: (_, args) => Promise.resolve(args[0] === 'update' ? 100 : 0) })
    expect(await installByApt(offline)).toBe(true)
    const broken = machine({ run: () => Promise.resolve(100) })
    expect(await installByApt(broken)).toBe(false)
    expect(broken.said.at(-1)).toContain('status 100')
  })
})
