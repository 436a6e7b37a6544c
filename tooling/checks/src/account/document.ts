import { markdownTable, type AccountRules, type LeastAccount } from '@corral/testing'

/** An account as the command that makes it, a line for each group of rules. */
export function accountCommand({ user, rules }: LeastAccount): string {
  const lines = rules.map((group) => `  ${group.rules}`)
  return ['```text', `ACL SETUSER ${user} reset on >password`, ...lines, '```'].join('\n')
}

/** What each rule is for. */
export function reasonsTable(rules: readonly AccountRules[]): string {
  return markdownTable(
    ['rules', 'for'],
    rules.map((group) => [code(group.rules), group.why]),
  )
}

function code(rules: string): string {
  return rules
    .split(' ')
    .map((rule) => `\`${rule.replaceAll('|', '\\|')}\``)
    .join(' ')
}
