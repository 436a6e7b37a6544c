import type { Clock, TimerHandle } from '@corral/connection'
import { authUnavailable } from '../errors.ts'
import type { ResolvedAuthOptions } from '../options.ts'
import { createGate } from './gate.ts'
import { isAboutToken, scrubbed } from './verifier-errors.ts'
import { checkVerified, type Verified } from './verified.ts'
import type { AuthIdentity, Verify } from './verify.ts'

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

export function createVerifications(
  options: Pick<ResolvedAuthOptions, 'maxVerifications' | 'maxWaiting' | 'verifyMs' | 'isInvalid'>,
  clock: Clock,
): Verifications {
  const { verifyMs, isInvalid = isAboutToken } = options
  const gate = createGate(clock, options.maxVerifications, options.maxWaiting, verifyMs)

  /** Anything may be thrown, and looking at it may throw again. */
  function meansInvalid(error: unknown): boolean {
    try {
      const answer: unknown = isInvalid(error)
      // A promise is no yes.
      return answer === true
    } catch {
      return false
    }
  }

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
        if (meansInvalid(error)) return undefined
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
      const given = await ask(token, verify)
      if (given === undefined) return undefined
      const verified = checkVerified(given, token)
      return verified.expiresAt <= clock.wallNow() ? undefined : verified
    },
  }
}
