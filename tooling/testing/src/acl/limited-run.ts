import type { Reply } from '../resp/reply.ts'
import { accountWords, clusterRules, sharedAccount } from './least-account.ts'

type Directives = readonly (readonly string[])[]

/**
 * Whether the default user of every server has the least account alone (`CORRAL_TEST_ACL=1`), with
 * which all clients of the tests work. What they look at besides goes by `TestRedis.command`, and
 * that, as all of the harness, by a user of its own.
 */
export function isLimitedRun(): boolean {
  return process.env['CORRAL_TEST_ACL'] === '1'
}

export const harnessUser = { username: 'corral-harness', password: 'of-the-harness' } as const

/** With this the server that a key is migrated from comes to the other one, as its default user. */
const MIGRATED = '+restore-asking'

/** Lines of a data server's configuration: its users, and as whom its replicas ask. */
export function accountDirectives(password: string | undefined): Directives {
  if (!isLimitedRun()) return password === undefined ? [] : [['masterauth', password]]
  const words = [
    ...accountWords(sharedAccount),
    ...clusterRules.flatMap(({ rules }) => rules.split(' ')),
  ]
  // Tests have namespaces and keys of many kinds; tooling/checks holds the patterns to their word.
  const rules = words.map((word) => (word.startsWith('~') ? '~*' : word))
  return [
    [
      'user',
      'default',
      'on',
      password === undefined ? 'nopass' : `>${password}`,
      ...rules,
      MIGRATED,
    ],
    harnessLine,
    ['masteruser', harnessUser.username],
    ['masterauth', harnessUser.password],
  ]
}

/** The same for a sentinel of `master`, whose own default user stays as it is. */
export function sentinelAccountDirectives(
  master: string,
  password: string | undefined,
): Directives {
  if (isLimitedRun()) {
    const { username, password: secret } = harnessUser
    return [
      harnessLine,
      ['sentinel', 'auth-user', master, username],
      ['sentinel', 'auth-pass', master, secret],
    ]
  }
  return password === undefined ? [] : [['sentinel', 'auth-pass', master, password]]
}

const harnessLine = [
  'user',
  harnessUser.username,
  'on',
  `>${harnessUser.password}`,
  '~*',
  '&*',
  '+@all',
]

/** What an `ACL LOG` says that the default user was not allowed, one sentence each. */
export function refusalsIn(log: Reply): readonly string[] {
  if (!Array.isArray(log)) return []
  return log.flatMap((entry) => {
    const words = (entry as Reply[]).map(String)
    const field = (name: string): string => words[words.indexOf(name) + 1] ?? ''
    if (field('username') !== 'default' || field('reason') === 'auth') return []
    const [, command = ''] = /cmd=(\S+)/.exec(field('client-info')) ?? []
    return [`${field('reason')} ${field('object')} (${command}, ${field('context')})`]
  })
}
