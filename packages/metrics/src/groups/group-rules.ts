/** Sorts keys into groups; `undefined` means `other`. */
export type GroupOf = (key: string) => string | undefined

/** A name for all keys that begin with a prefix. */
export interface GroupRule {
  readonly name: string
  readonly prefix: string
}

/** Where keys without a group are counted, and those of groups beyond the bound. */
export const otherGroup = 'other'

const longestName = 100

/** Makes a function of prefix rules; the first that fits wins. */
export function groupByPrefix(rules: readonly GroupRule[]): GroupOf {
  return (key) => rules.find(({ prefix }) => key.startsWith(prefix))?.name
}

/** Never throws, and never gives what is no name: it runs inside of other people's calls. */
export function safely(groupOf: GroupOf): (key: string) => string {
  return (key) => {
    try {
      const name: unknown = groupOf(key)
      return typeof name === 'string' && name !== '' ? name.slice(0, longestName) : otherGroup
    } catch {
      return otherGroup
    }
  }
}
