import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** What stands for tokens outside this process's memory, and seals what is stored under it. */
export interface Digests {
  /** One digest of the text for each pepper, the one to write with first; SHA-256 without a pepper. */
  of(text: string): readonly string[]
  /** The seal of a record; `undefined` without a pepper. */
  seal(key: string, body: string): string | undefined
  /** Whether a seal fits; always without a pepper. In constant time. */
  fits(key: string, body: string, seal: unknown): boolean
}

const sealing = 'corral:auth:seal'

export function createDigests(peppers: readonly Buffer[]): Digests {
  const sealKeys = peppers.map((pepper) => createHmac('sha256', pepper).update(sealing).digest())

  /** The key's length comes first, so that no two pairs make one text. */
  function mac(sealKey: Buffer, key: string, body: string): Buffer {
    return createHmac('sha256', sealKey).update(`${key.length}:${key}${body}`).digest()
  }

  return {
    of(text) {
      if (peppers.length === 0) return [createHash('sha256').update(text).digest('base64url')]
      return peppers.map((pepper) => createHmac('sha256', pepper).update(text).digest('base64url'))
    },
    seal(key, body) {
      const [first] = sealKeys
      return first && mac(first, key, body).toString('base64url')
    },
    fits(key, body, seal) {
      if (sealKeys.length === 0) return true
      if (typeof seal !== 'string') return false
      const given = Buffer.from(seal, 'base64url')
      let fits = false
      for (const sealKey of sealKeys) {
        const right = mac(sealKey, key, body)
        // timingSafeEqual throws on unequal lengths; the length of a seal is no secret.
        if (given.length === right.length && timingSafeEqual(given, right)) fits = true
      }
      return fits
    },
  }
}
