import { RedisReplyError } from '../resp/reply.ts'
import { waitFor } from '../wait-for.ts'
import { clusterNodes, type ClusterNode } from './cluster-nodes.ts'
import { addressOf, commandTo, type Member } from './deployment.ts'
import { roleOf, waitForRole } from './replica.ts'

const TIMEOUT = 30_000
const ATTEMPT = 3_000

/**
 * Hands the slots of `master` to its replica. The replica asks its master when that one answers
 * (no write is lost), and takes over by the votes of the other masters when it does not.
 */
export async function failOverInCluster(
  members: readonly Member[],
  master: Member,
  password: string | undefined,
): Promise<Member> {
  const witnesses = members.filter((member) => member !== master)
  const next = await replicaOf(master, witnesses, password)
  const alive = await answering(members, password)
  const force = alive.includes(master) ? [] : ['FORCE']

  const until = performance.now() + TIMEOUT
  for (;;) {
    await demand(next, force, password)
    try {
      // A request can be dropped without a word (no majority yet): it is made again.
      await waitForRole(next, 'master', password, ATTEMPT)
      break
    } catch (error) {
      if (performance.now() > until) throw error
    }
  }
  await waitFor(
    async () => {
      for (const member of alive) {
        const info = await commandTo({ ...addressOf(member), password }, ['CLUSTER', 'INFO'])
        if (!String(info).includes('cluster_state:ok')) return false
        if (slotsAt(await clusterNodes(member, password), next) === 0) return false
      }
      return true
    },
    { what: `all nodes to see ${next.node.name} as master`, timeout: TIMEOUT },
  )
  if (alive.includes(master)) await waitForRole(master, 'replica', password, TIMEOUT)
  next.setRole('master')
  master.setRole('replica')
  return next
}

async function demand(next: Member, force: string[], password: string | undefined): Promise<void> {
  const send = (...how: string[]): Promise<unknown> =>
    commandTo({ ...addressOf(next), password }, ['CLUSTER', 'FAILOVER', ...how])
  try {
    await send(...force)
  } catch (error) {
    if (!(error instanceof RedisReplyError)) throw error
    // It has become master meanwhile, by itself.
    if (/send CLUSTER FAILOVER to a replica/i.test(error.message)) return
    await send('FORCE')
  }
}

async function replicaOf(
  master: Member,
  witnesses: readonly Member[],
  password: string | undefined,
): Promise<Member> {
  for (const witness of witnesses) {
    const nodes = await clusterNodes(witness, password).catch(() => undefined)
    const id = nodes?.find((node) => node.port === master.node.port)?.id
    const replica = nodes?.find((node) => node.masterId !== undefined && node.masterId === id)
    const found = witnesses.find((member) => member.node.port === replica?.port)
    if (found !== undefined) return found
  }
  throw new Error(`${master.node.name} has no replica that could take over`)
}

async function answering(
  members: readonly Member[],
  password: string | undefined,
): Promise<Member[]> {
  const alive = await Promise.all(
    members.map((member) =>
      roleOf(member, password).then(
        () => member,
        () => undefined,
      ),
    ),
  )
  return alive.filter((member) => member !== undefined)
}

function slotsAt(nodes: readonly ClusterNode[], member: Member): number {
  return nodes.find((node) => node.port === member.node.port)?.slots ?? 0
}
