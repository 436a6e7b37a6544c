import { describeValue, type Clock, type TimerHandle } from '@corral/connection'
import { authUnavailable } from '../errors.ts'
import type { ResolvedAuthOptions } from '../options.ts'
import { createGate } from './gate.ts'
import { isAboutToken, scrubbed } from './verifier-errors.ts'
import type { AuthIdentity, Verified, Verify } from './verify.ts'

/** Runs verifiers: not too many at once, none for too long. */
export interface Verifications {
  /** Waits for a place, then runs `work` in it. */
  inPlace<T>(work: () => Promise<T>): Promise<T>
  /**
   * What the verifier says; `undefined`: the token is bad.
   *
   * @throws CorralError `AUTH_UNAVAILABLE` when it does not say; TypeError when what it says is no identity
   */
  run(token: string, verify: Verify<AuthIdentity>): Promise<Verified | undefined>
}

/** Shorter ones stand in many texts by chance. */
const LEAST_TELLING_TOKEN = 16

export function createVerifications(
  options: Pick<ResolvedAuthOptions, 'maxVerifications' | 'maxWaiting' | 'verifyMs' | 'isInvalid'>,
  clock: Clock,
): Verifications {
  const { verifyMs, isInvalid = isAboutToken } = options
  const gate = createGate(options.maxVerifications, options.maxWaiting)

  async function ask(
    token: string,
    verify: Verify<AuthIdentity>,
  ): Promise<AuthIdentity | undefined> {
    const controller = new AbortController()
    let timer: TimerHandle | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = clock.setTimer(() => {
        reject(authUnavailable('timeout'))
        controller.abort()
      }, verifyMs)
    })
    const answer = (async () => {
      try {
        return (await verify(token, { signal: controller.signal })) ?? undefined
      } catch (error) {
        if (isInvalid(error)) return undefined
        throw authUnavailable('verifier', scrubbed(error, token))
      }
    })()
    try {
      return await Promise.race([answer, late])
    } finally {
      if (timer !== undefined) clock.clearTimer(timer)
      // One that fails after its time has been told already.
      answer.catch(() => undefined)
    }
  }

  return {
    async inPlace(work) {
      if (!(await gate.enter())) throw authUnavailable('overloaded')
      try {
        return await work()
      } finally {
        gate.leave()
      }
    },
    async run(token, verify) {
      const identity = await ask(token, verify)
      if (identity === undefined) return undefined
      const expiresAt = checkIdentity(identity, token)
      return expiresAt <= clock.wallNow() ? undefined : { identity, expiresAt }
    },
  }
}

/** @returns when the identity says that its token ends */
function checkIdentity(identity: unknown, token: string): number {
  if (typeof identity !== 'object' || identity === null) {
    throw new TypeError(
      `verify: must give an object with userId, or undefined, received ${typeof identity}`,
    )
  }
  const { userId, expiresAt } = identity as Record<keyof AuthIdentity, unknown>
  if (typeof userId !== 'string' || userId === '') {
    throw new TypeError(
      `verify: userId must be a non-empty string, received ${typeof userId === 'string' ? describeValue(userId) : typeof userId}`,
    )
  }
  if (expiresAt !== undefined && !Number.isFinite(expiresAt)) {
    throw new TypeError(
      `verify: expiresAt must be epoch milliseconds, received ${typeof expiresAt}`,
    )
  }
  if (token.length >= LEAST_TELLING_TOKEN && JSON.stringify(identity).includes(token)) {
    throw new TypeError('verify: what it gives is stored, and must not hold the token')
  }
  return (expiresAt as number | undefined) ?? Infinity
}
