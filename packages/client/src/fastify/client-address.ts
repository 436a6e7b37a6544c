import { isIPv6 } from 'node:net'

/** No address has this form. */
const NO_ADDRESS = 'no-address'

/**
 * The subject that an address stands for: an IPv4 address itself, of IPv6 the /64 network, of which a
 * single customer has all addresses. An IPv4 address written as IPv6 counts as IPv4. Clients of a Unix
 * socket have no address: they are one subject, `'no-address'`.
 *
 * @param ip as `request.ip` has it: behind a proxy that takes Fastify's `trustProxy`, set to just the
 * proxies that are yours, or everybody chooses an address for himself
 */
export function clientAddress(ip: string | undefined): string {
  if (ip === undefined || ip === '') return NO_ADDRESS
  const [address = ''] = ip.split('%')
  if (!isIPv6(address)) return ip
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  // A dotted tail stands for the last two groups; they are not among the first four.
  const [head = '', tail] = address.replace(/\d+\.\d+\.\d+\.\d+$/, '0:0').split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length
  const groups = [...first, ...Array<string>(zeros).fill('0'), ...last]
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}
