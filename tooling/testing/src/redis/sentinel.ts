import { waitFor } from '../wait-for.ts'
import { addressOf, commandTo, createMember, type Member } from './deployment.ts'
import { MASTER_NAME, sentinelDirectives } from './directives.ts'
import { launchServer } from './launch-server.ts'
import { roleOf, waitForRole } from './replica.ts'
import type { ServerBackend } from './server.ts'

const SENTINELS = 3
const FAILOVER_TIMEOUT = 30_000

/** Three sentinels that watch a pair and know each other. */
export async function launchSentinels(
  backend: ServerBackend,
  master: Member,
  password: string | undefined,
  started: (member: Member) => void,
): Promise<Member[]> {
  const sentinels: Member[] = []
  for (let i = 1; i <= SENTINELS; i++) {
    const server = await launchServer(backend, (port) => ({
      name: `sentinel-${i}`,
      port,
      kind: 'sentinel',
      directives: sentinelDirectives(port, backend.bind, master.node, password),
      args: [],
    }))
    const member = createMember(server, 'sentinel')
    started(member)
    sentinels.push(member)
    await quicken(member)
  }
  for (const sentinel of sentinels) {
    await waitFor(() => knowsEverybody(sentinel), {
      what: `${sentinel.node.name} to know the replica and the other sentinels`,
      timeout: 20_000,
    })
  }
  return sentinels
}

/** Has the sentinels move the master, or waits for them to, and returns the new one. */
export async function failOverBySentinel(
  members: readonly Member[],
  sentinels: readonly Member[],
  master: Member,
  password: string | undefined,
): Promise<Member> {
  const next = members.find((member) => member !== master)
  if (next === undefined) throw new Error('there is no replica to promote')
  const masterAnswers = await roleOf(master, password).then(
    () => true,
    () => false,
  )
  // A master that is frozen or dead is replaced without our asking; a healthy one only on demand.
  if (masterAnswers) await demandFailover(sentinels)
  for (const sentinel of sentinels) {
    await waitFor(async () => (await masterPort(sentinel)) === next.node.port, {
      what: `${sentinel.node.name} to name ${next.node.name} as master`,
      timeout: FAILOVER_TIMEOUT,
    })
  }
  await waitForRole(next, 'master', password)
  if (masterAnswers) await waitForRole(master, 'replica', password, FAILOVER_TIMEOUT)
  next.setRole('master')
  master.setRole('replica')
  return next
}

async function demandFailover(sentinels: readonly Member[]): Promise<void> {
  await waitFor(
    async () => {
      for (const sentinel of sentinels) {
        const sent = commandTo(addressOf(sentinel), ['SENTINEL', 'FAILOVER', MASTER_NAME])
        // NOGOODSLAVE right after another failover: the sentinel has not looked at it yet.
        if ((await sent.catch(() => undefined)) === 'OK') return true
      }
      return false
    },
    { what: 'a sentinel to accept a failover', timeout: FAILOVER_TIMEOUT, interval: 50 },
  )
}

async function masterPort(sentinel: Member): Promise<number> {
  const reply = await commandTo({ ...addressOf(sentinel), timeout: 1_000 }, [
    'SENTINEL',
    'GET-MASTER-ADDR-BY-NAME',
    MASTER_NAME,
  ])
  return Array.isArray(reply) ? Number(reply[1]) : Number.NaN
}

/** Lets sentinels find each other and see changes sooner; servers before 7.0 take their time. */
async function quicken(sentinel: Member): Promise<void> {
  const periods = ['INFO-PERIOD', '500', 'PUBLISH-PERIOD', '200']
  await commandTo(addressOf(sentinel), ['SENTINEL', 'DEBUG', ...periods]).catch(() => {})
}

async function knowsEverybody(sentinel: Member): Promise<boolean> {
  const reply = await commandTo(addressOf(sentinel), ['SENTINEL', 'MASTER', MASTER_NAME])
  if (!Array.isArray(reply)) return false
  const field = (name: string): string => String(reply[reply.indexOf(name) + 1])
  const ok = await commandTo(addressOf(sentinel), ['SENTINEL', 'CKQUORUM', MASTER_NAME]).then(
    () => true,
    () => false,
  )
  return ok && field('num-slaves') === '1' && field('num-other-sentinels') === String(SENTINELS - 1)
}
