import { waitFor } from '../wait-for.ts'
import { clusterNodes, type ClusterNode } from './cluster-nodes.ts'
import { addressOf, commandTo, createMember, type Member } from './deployment.ts'
import { clusterDirectives, commonDirectives } from './directives.ts'
import { launchServer } from './launch-server.ts'
import type { ServerBackend } from './server.ts'

const MASTERS = 3
const NODES = 2 * MASTERS
const SLOTS = 16_384
const TIMEOUT = 30_000

/** Three masters with a replica each: node 1 to 3, and 4 to 6 in the same order. */
export async function launchCluster(
  backend: ServerBackend,
  args: readonly string[],
  password: string | undefined,
  started: (member: Member) => void,
): Promise<Member[]> {
  const launched = await Promise.allSettled(
    Array.from({ length: NODES }, async (_, i) => {
      const server = await launchServer(
        backend,
        (port) => ({
          name: `node-${i + 1}`,
          port,
          kind: 'redis',
          directives: [
            ...commonDirectives(port, backend.bind, backend.version, password),
            ...clusterDirectives(),
          ],
          args,
        }),
        { bus: true },
      )
      const member = createMember(server, i < MASTERS ? 'master' : 'replica')
      started(member)
      return member
    }),
  )
  // All have come to an end, one way or the other, before the first failure ends the others.
  const members = launched.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
  await joinNodes(members, password)
  return members
}

/** Gives out the slots, introduces the nodes, attaches replicas and waits until all agree. */
async function joinNodes(members: readonly Member[], password: string | undefined): Promise<void> {
  const send = (member: Member, ...args: (string | number)[]): Promise<unknown> =>
    commandTo({ ...addressOf(member), password }, args)
  const [first, ...others] = members
  if (first === undefined) throw new Error('a cluster needs nodes')

  for (const [i, member] of members.entries()) {
    // Distinct from the start, so that no time is lost on settling collisions.
    await send(member, 'CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
    if (i < MASTERS) await send(member, 'CLUSTER', 'ADDSLOTS', ...slotsOf(i))
  }
  for (const { node } of others) await send(first, 'CLUSTER', 'MEET', node.host, node.port)
  await everybodySees(members, password, (nodes) => nodes.length === NODES, 'all the nodes')

  for (const [i, member] of members.entries()) {
    const master = members[i - MASTERS]
    if (master === undefined) continue
    const id = String(await send(master, 'CLUSTER', 'MYID'))
    await waitFor(async () => (await send(member, 'CLUSTER', 'REPLICATE', id)) === 'OK', {
      what: `${member.node.name} to follow ${master.node.name}`,
      timeout: TIMEOUT,
    })
  }
  await everybodySees(members, password, isWhole, 'masters with a linked replica each')
  for (const member of members) {
    await waitFor(
      async () => String(await send(member, 'CLUSTER', 'INFO')).includes('cluster_state:ok'),
      {
        what: `${member.node.name} to say cluster_state:ok`,
        timeout: TIMEOUT,
      },
    )
    if (member.node.role === 'master') continue
    await waitFor(
      async () =>
        String(await send(member, 'INFO', 'replication')).includes('master_link_status:up'),
      { what: `${member.node.name} to be in sync with its master`, timeout: TIMEOUT },
    )
  }
}

async function everybodySees(
  members: readonly Member[],
  password: string | undefined,
  condition: (nodes: ClusterNode[]) => boolean,
  what: string,
): Promise<void> {
  for (const member of members) {
    await waitFor(async () => condition(await clusterNodes(member, password)), {
      what: `${member.node.name} to see ${what}`,
      timeout: TIMEOUT,
    })
  }
}

function isWhole(nodes: readonly ClusterNode[]): boolean {
  const masters = nodes.filter((node) => node.role === 'master')
  return (
    masters.length === MASTERS &&
    masters.every((master) => nodes.some((node) => node.masterId === master.id)) &&
    masters.reduce((sum, master) => sum + master.slots, 0) === SLOTS
  )
}

function slotsOf(index: number): number[] {
  const from = Math.floor((SLOTS * index) / MASTERS)
  const to = Math.floor((SLOTS * (index + 1)) / MASTERS)
  return Array.from({ length: to - from }, (_, i) => from + i)
}
