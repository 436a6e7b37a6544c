import { waitFor } from '../wait-for.ts'
import { addressOf, commandTo, createMember, type Member } from './deployment.ts'
import { commonDirectives, replicaDirectives } from './directives.ts'
import { launchServer } from './launch-server.ts'
import type { ServerBackend } from './server.ts'

/** A master and one replica of it, in sync. */
export async function launchPair(
  backend: ServerBackend,
  args: readonly string[],
  password: string | undefined,
  started: (member: Member) => void,
): Promise<[master: Member, replica: Member]> {
  const { version } = backend
  const master = createMember(
    await launchServer(backend, (port) => ({
      name: 'master',
      port,
      kind: 'redis',
      directives: commonDirectives(port, backend.bind, version, password),
      args,
    })),
    'master',
  )
  started(master)
  const replica = createMember(
    await launchServer(backend, (port) => ({
      name: 'replica',
      port,
      kind: 'redis',
      directives: [
        ...commonDirectives(port, backend.bind, version, password),
        ...replicaDirectives(master.node),
      ],
      args,
    })),
    'replica',
  )
  started(replica)
  await replicaInSync(replica, password)
  return [master, replica]
}

export async function replicaInSync(replica: Member, password?: string): Promise<void> {
  await waitFor(
    async () => {
      const info = await commandTo({ ...addressOf(replica), password }, ['INFO', 'replication'])
      return String(info).includes('master_link_status:up')
    },
    { what: `${replica.node.name} to be in sync with its master`, timeout: 15_000 },
  )
}

/** Promotes the replica; a former master that still answers becomes its replica. */
export async function promote(master: Member, next: Member, password?: string): Promise<Member> {
  await commandTo({ ...addressOf(next), password }, ['REPLICAOF', 'NO', 'ONE'])
  await waitForRole(next, 'master', password)
  next.setRole('master')
  master.setRole('replica')
  await commandTo({ ...addressOf(master), password, timeout: 500 }, [
    'REPLICAOF',
    next.node.host,
    next.node.port,
  ]).catch(() => {
    // Frozen or dead: it stays what it was, and says `master` again when it comes back.
  })
  return next
}

export async function waitForRole(
  member: Member,
  role: 'master' | 'replica',
  password?: string,
  timeout = 15_000,
): Promise<void> {
  await waitFor(async () => (await roleOf(member, password)) === role, {
    what: `${member.node.name} to be a ${role}`,
    timeout,
  })
}

/** What a server says that it is. */
export async function roleOf(member: Member, password?: string): Promise<'master' | 'replica'> {
  const reply = await commandTo({ ...addressOf(member), password, timeout: 1_000 }, ['ROLE'])
  return Array.isArray(reply) && reply[0] === 'master' ? 'master' : 'replica'
}
