import type { SignalClient } from './signal-client.ts'

export const INVALIDATION_CHANNEL = '__redis__:invalidate'

/** What a connection was told by the server while it was armed. */
export interface Armed {
  /** Identity of the server process; undefined where INFO is forbidden. */
  readonly runId: string | undefined
  /** Whether keys are told; undefined when no prefix was asked for. */
  readonly tracking: boolean | undefined
  /** Why keys are not told, in words of our own. */
  readonly untracked: string | undefined
  readonly channels: readonly string[]
  /** Channels that the server does not let this user hear. */
  readonly refused: readonly string[]
}

export interface ArmOptions {
  readonly prefixes: readonly string[]
  /** Asked when the moment to subscribe has come. */
  readonly channels: () => readonly string[]
  /** False stops the arming: the connection leads to another server than it should. */
  readonly acceptServer: (runId: string | undefined) => boolean
}

/** Why an attempt to arm a connection ended, for health and trace: never a server's raw message. */
export class ArmingFailed extends Error {
  /** Undefined: the connection was closed. */
  readonly reason: string | undefined
  constructor(reason: string | undefined) {
    super(reason ?? 'closed')
    this.reason = reason
  }
}

/**
 * Makes a fresh connection tell about keys and channels. CLIENT TRACKING goes first, because a
 * RESP2 connection that has subscribed takes no other command.
 */
export async function arm(client: SignalClient, options: ArmOptions): Promise<Armed> {
  const { prefixes } = options
  const [info, id] = await Promise.all([
    permitted(client.call('INFO', 'server')),
    prefixes.length === 0 ? undefined : permitted(client.call('CLIENT', 'ID')),
  ])
  const runId = /^run_id:(\w+)/m.exec(textOf(info?.reply))?.[1]
  if (!options.acceptServer(runId)) throw new ArmingFailed('other-server')

  const tracked =
    id === undefined
      ? undefined
      : id.refused
        ? id
        : permitted(track(client, textOf(id.reply), prefixes))
  const told = id === undefined ? undefined : permitted(client.subscribe(INVALIDATION_CHANNEL))
  const heard = options.channels().map(async (channel) => {
    const answer = await permitted(client.subscribe(channel))
    return { channel, refused: answer.refused }
  })
  const [tracking, invalidation, ...channels] = await Promise.all([tracked, told, ...heard])

  return {
    runId,
    tracking: tracking && !tracking.refused && invalidation?.refused === undefined,
    untracked: tracking?.refused ?? invalidation?.refused,
    channels: channels.filter((answer) => !answer.refused).map((answer) => answer.channel),
    refused: channels.filter((answer) => answer.refused).map((answer) => answer.channel),
  }
}

function track(client: SignalClient, id: string, prefixes: readonly string[]): Promise<unknown> {
  const named = prefixes.flatMap((prefix) => ['PREFIX', prefix])
  return client.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', id, 'BCAST', ...named)
}

function textOf(reply: unknown): string {
  return typeof reply === 'string' || typeof reply === 'number' ? String(reply) : ''
}

interface Answer {
  readonly reply?: unknown
  /** The error's code when this server or user cannot do it; other errors fail the arming. */
  readonly refused?: 'ERR' | 'NOPERM'
}

async function permitted(sent: Promise<unknown>): Promise<Answer> {
  try {
    return { reply: await sent }
  } catch (error) {
    const code = replyCode(error)
    if (code === 'ERR' || code === 'NOPERM') return { refused: code }
    throw new ArmingFailed(code)
  }
}

/** `NOPERM`, `LOADING` …: the first word of an error reply; undefined for any other error. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined
  return /^[A-Z]+(?= |$)/.exec(error.message)?.[0]
}

/** As {@link replyCode}, or the code of a system error (`ECONNREFUSED`): words without secrets. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return replyCode(error) ?? (typeof code === 'string' && /^[A-Z_]+$/.test(code) ? code : undefined)
}
