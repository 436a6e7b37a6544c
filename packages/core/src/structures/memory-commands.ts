import { CorralError } from '@corral/connection'
import { countOverflow } from '../errors.ts'

type Reply = number | string | null | string[]
type Fields = Map<string, string>
/** By the command's name in Redis. */
export type Commands<Structure> = Readonly<
  Record<string, (structure: Structure, args: string[]) => Reply>
>

/** What each command does, with Redis's replies. Elements are text, as in Redis. */
export const hashCommands: Commands<Fields> = {
  HGET: (fields: Fields, [field]: string[]): Reply => fields.get(field as string) ?? null,
  HGETALL: (fields: Fields): Reply => [...fields].flat(),
  HEXISTS: (fields: Fields, [field]: string[]): Reply => Number(fields.has(field as string)),
  HLEN: (fields: Fields): Reply => fields.size,
  HKEYS: (fields: Fields): Reply => [...fields.keys()],
  HSET(fields: Fields, args: string[]): Reply {
    const before = fields.size
    for (let i = 0; i < args.length; i += 2) fields.set(args[i] as string, args[i + 1] as string)
    return fields.size - before
  },
  HDEL: (fields: Fields, names: string[]): Reply =>
    names.filter((field) => fields.delete(field)).length,
  HINCRBY(fields: Fields, [field, by]: string[]): Reply {
    const text = fields.get(field as string) ?? '0'
    if (!/^-?\d+$/.test(text)) throw wrongType()
    const sum = Number(text) + Number(by)
    if (!Number.isSafeInteger(sum)) throw countOverflow('structure')
    fields.set(field as string, String(sum))
    return sum
  },
}

export const listCommands: Commands<string[]> = {
  LRANGE: (list: string[], [from, to]: string[]): Reply => list.slice(...span(list, from, to)),
  LLEN: (list: string[]): Reply => list.length,
  LPUSH: (list: string[], values: string[]): Reply => list.unshift(...values.toReversed()),
  RPUSH: (list: string[], values: string[]): Reply => list.push(...values),
  LPOP: (list: string[]): Reply => list.shift() ?? null,
  RPOP: (list: string[]): Reply => list.pop() ?? null,
  LTRIM(list: string[], [from, to]: string[]): Reply {
    list.splice(0, list.length, ...list.slice(...span(list, from, to)))
    return 'OK'
  },
}

export const setCommands: Commands<Set<string>> = {
  SMEMBERS: (members: Set<string>): Reply => [...members],
  SISMEMBER: (members: Set<string>, [member]: string[]): Reply =>
    Number(members.has(member as string)),
  SCARD: (members: Set<string>): Reply => members.size,
  SADD(members: Set<string>, values: string[]): Reply {
    const before = members.size
    for (const value of values) members.add(value)
    return members.size - before
  },
  SREM: (members: Set<string>, values: string[]): Reply =>
    values.filter((value) => members.delete(value)).length,
}

/** Both ends as `slice` takes them; negative ones count from the end, and the last is included. */
function span(list: readonly string[], from = '0', to = '-1'): [number, number] {
  const place = (text: string): number =>
    Number(text) < 0 ? Math.max(0, list.length + Number(text)) : Number(text)
  const end = Number(to) < -list.length ? 0 : place(to) + 1
  return [place(from), end]
}

export function wrongType(): CorralError<'WRONG_TYPE'> {
  return new CorralError('WRONG_TYPE', 'structure: the key holds another type')
}
