import { addressOf, commandTo, type Member } from './deployment.ts'

/** One line of CLUSTER NODES. */
export interface ClusterNode {
  id: string
  port: number
  role: 'master' | 'replica'
  masterId: string | undefined
  /** How many slots it serves. */
  slots: number
}

/** The cluster as one member sees it; nodes still in their handshake are left out. */
export async function clusterNodes(member: Member, password?: string): Promise<ClusterNode[]> {
  const reply = await commandTo({ ...addressOf(member), password, timeout: 1_000 }, [
    'CLUSTER',
    'NODES',
  ])
  return String(reply)
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , flags]) => !/handshake|noaddr/.test(flags ?? ''))
    .map(parseNode)
}

function parseNode(fields: string[]): ClusterNode {
  const [id = '', address = '', flags = '', masterId = '-'] = fields
  return {
    id,
    port: Number(/:(\d+)/.exec(address)?.[1]),
    role: flags.includes('slave') ? 'replica' : 'master',
    masterId: masterId === '-' ? undefined : masterId,
    slots: fields.slice(8).reduce((sum, range) => sum + slotCount(range), 0),
  }
}

/** '0-5460' is 5461 slots, '7' is one, '[93-<-…]' is on its way and counts for nobody. */
function slotCount(range: string): number {
  const match = /^(\d+)(?:-(\d+))?$/.exec(range)
  if (match === null) return 0
  return Number(match[2] ?? match[1]) - Number(match[1]) + 1
}
