import { alternate, type Contender, type Effort, type Measured } from './alternate.ts'
import type { Floor, Line } from './row.ts'

export interface Field {
  readonly name: string
  readonly floor: Floor | undefined
  readonly raw: Contender
  readonly corral: Contender
  readonly connection?: Contender
  readonly peers?: readonly Contender[]
  readonly limits?: readonly Contender[]
}

/** Lets all contenders of a line work in turns. */
export async function compare(field: Field, effort: Effort): Promise<Line> {
  const { name, floor, raw, corral, connection, peers = [], limits = [] } = field
  const below = connection === undefined ? [] : [connection]
  const all = await alternate([raw, corral, ...peers, ...limits, ...below], effort)
  const [reference, own, ...others] = all as [Measured, Measured, ...Measured[]]
  return {
    name,
    floor,
    reference,
    corral: own,
    peers: others.slice(0, peers.length),
    limits: others.slice(peers.length, peers.length + limits.length),
    connection: others[peers.length + limits.length],
  }
}
