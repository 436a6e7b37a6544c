import { createHmac, generateKeyPairSync, sign, verify } from 'node:crypto'
import { isCorralError } from '@corral/connection'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDigests } from './digests.ts'
import { createInspectToken } from './inspect-token.ts'

const NOW = 1_900_000_000_000
const now = NOW / 1_000
const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const head = b64({ alg: 'HS256', typ: 'JWT' })
function jwt(payload: unknown, header: unknown = { alg: 'HS256' }): string {
  const input = `${b64(header)}.${b64(payload)}`
  return `${input}.${createHmac('sha256', 'key').update(input).digest('base64url')}`
}

const digests = createDigests([])
const inspector = (jwtMode: 'auto' | 'always' | 'never' = 'auto', skewMs = 250) =>
  createInspectToken({ maxTokenBytes: 8_192, jwt: jwtMode, skewMs }, digests, () => NOW)

function reasonOf(token: string, mode: 'auto' | 'always' | 'never' = 'auto'): string {
  try {
    inspector(mode)(token)
    return 'accepted'
  } catch (error) {
    if (!isCorralError(error, 'TOKEN_INVALID')) throw error
    return error.reason as string
  }
}

const table: readonly (readonly [name: string, token: string, reason: string])[] = [
  ['a plain JWT', jwt({ sub: '1' }), 'accepted'],
  ['one that ends later', jwt({ exp: now + 1 }), 'accepted'],
  ['one that ended a second ago', jwt({ exp: now - 1 }), 'expired'],
  ['one that ended long ago', jwt({ exp: 1 }), 'expired'],
  ['one that ended at the epoch', jwt({ exp: 0 }), 'expired'],
  ['one that begins later', jwt({ nbf: now + 1 }), 'not-yet-valid'],
  ['one that begins within the skew', jwt({ nbf: now + 0.2 }), 'accepted'],
  ['one that ended within the skew', jwt({ exp: now - 0.2 }), 'accepted'],
  ['exp as text', jwt({ exp: String(now + 60) }), 'malformed'],
  ['exp null', jwt({ exp: null }), 'malformed'],
  ['exp negative', jwt({ exp: -1 }), 'malformed'],
  ['exp beyond all numbers', `${head}.${b64('{"exp":1e999}')}.c2ln`, 'malformed'],
  ['nbf as text', jwt({ nbf: 'soon' }), 'malformed'],
  ['iat as an object', jwt({ iat: {} }), 'malformed'],
  ['alg none', jwt({}, { alg: 'none' }), 'unsigned'],
  ['alg None', jwt({}, { alg: 'None' }), 'unsigned'],
  ['alg NONE', jwt({}, { alg: 'NONE' }), 'unsigned'],
  ['alg none without a signature', `${b64({ alg: 'none' })}.${b64({})}.`, 'unsigned'],
  ['no alg', jwt({}, { typ: 'JWT' }), 'malformed'],
  ['alg no text', jwt({}, { alg: 1 }), 'malformed'],
  ['no signature', `${head}.${b64({ sub: '1' })}.`, 'malformed'],
  ['two parts', `${head}.${b64({ sub: '1' })}`, 'malformed'],
  ['four parts', `${jwt({})}.c2ln`, 'malformed'],
  ['a payload that is no JSON', `${head}.${b64('nothing')}.c2ln`, 'malformed'],
  ['a payload that is a list', `${head}.${b64([])}.c2ln`, 'malformed'],
  ['a header that is no JSON', `${b64('{"alg')}.${b64({})}.c2ln`, 'malformed'],
  [
    'a header with a space behind the brace',
    `${b64('{ "alg":"HS256"}')}.${b64({})}.c2ln`,
    'accepted',
  ],
  ['an empty header', `${b64({})}.${b64({})}.c2ln`, 'malformed'],
  ['a header behind a line break', `${b64('{\n"alg":"none"}')}.${b64({})}.c2ln`, 'unsigned'],
  ['a header behind a blank', `${b64(' {"alg":"none"}')}.${b64({})}.c2ln`, 'unsigned'],
  ['a header behind many', `${b64('\t\r\n  \t{"alg":"NoNe"}')}.${b64({})}.`, 'unsigned'],
  ['one that ended, behind a blank', `${b64('\n{"alg":"A"}')}.${b64({ exp: 1 })}.c2ln`, 'expired'],
  ['an opaque token that begins as blanks', `${b64('  x')}.${b64({})}.c2ln`, 'accepted'],
  ['padding', `${head}=.${b64({})}.c2ln`, 'malformed'],
  ['plain base64', `${head}.${b64({})}.c2l+`, 'malformed'],
  [
    'a second spelling of a signature',
    `${head}.${b64({})}.c2lh`.replace('c2lh', 'c2l'),
    'malformed',
  ],
  ['JWE', `${b64({ alg: 'dir', enc: 'A256GCM' })}..aXY.Y2lw.dGFn`, 'accepted'],
  ['JWE without enc', `${b64({ alg: 'dir' })}..aXY.Y2lw.dGFn`, 'malformed'],
  ['an opaque token', 'jwt_token_123', 'accepted'],
  ['an opaque token in three parts', 'MTk4.Cl2FMQ.ZnCj', 'accepted'],
  ['PASETO', 'v4.local.AAAA', 'accepted'],
  ['nothing', '', 'missing'],
  ['a huge token', 'x'.repeat(8_193), 'too-large'],
  ['a token of many bytes', 'ü'.repeat(4_097), 'too-large'],
  ['the largest', 'x'.repeat(8_192), 'accepted'],
  ['half a character', 'abc\ud800', 'malformed'],
]

describe('what a token is', () => {
  it.each(table)('%s', (_name, token, reason) => {
    expect(reasonOf(token)).toBe(reason)
  })

  it('is refused when it is no text', () => {
    expect(reasonOf(undefined as never)).toBe('missing')
    expect(reasonOf({ toString: () => 'x' } as never)).toBe('missing')
  })

  it('takes JWTs alone, or none, when told so', () => {
    expect(reasonOf('opaque', 'always')).toBe('malformed')
    expect(reasonOf('aaa.bbb.ccc', 'always')).toBe('malformed')
    expect(reasonOf(jwt({ exp: 1 }), 'never')).toBe('accepted')
    expect(reasonOf(jwt({}), 'always')).toBe('accepted')
  })

  it('may be cached until its end less the skew', () => {
    expect(inspector()(jwt({ exp: now + 60 })).cacheableUntil).toBe(NOW + 60_000 - 250)
    expect(inspector('auto', 5_000)(jwt({ exp: now + 60 })).cacheableUntil).toBe(NOW + 55_000)
    expect(inspector()(jwt({})).cacheableUntil).toBe(Infinity)
  })
})

describe('whatever is presented', () => {
  const part = fc.oneof(
    fc.json().map((text) => b64(text)),
    fc.record({ alg: fc.constantFrom('none', 'HS256', 'nOnE', ''), enc: fc.string() }).map(b64),
    fc.record({ exp: fc.anything(), nbf: fc.anything(), iat: fc.anything() }).map((it) => {
      try {
        return b64(it)
      } catch {
        return 'e30'
      }
    }),
    fc.base64String(),
    fc.string(),
  )
  const token = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(part, { maxLength: 6 }).map((it) => it.join('.')),
  )

  it('is taken or TOKEN_INVALID, and no alg of none is taken', () => {
    fc.assert(
      fc.property(token, fc.constantFrom('auto', 'always', 'never'), (text, mode) => {
        const outcome = reasonOf(text, mode)
        const header = /^([\w-]+)\.[\w-]*\.[\w-]*$/.exec(text)?.[1]
        if (outcome !== 'accepted' || mode !== 'always' || header === undefined) return
        const read = JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg: string }
        expect(read.alg.toLowerCase()).not.toBe('none')
      }),
      { numRuns: 3_000 },
    )
  })

  it('has one spelling as a JWT: any other sign is another token, or none', () => {
    const good = jwt({ sub: 'ada', jti: 'x' })
    const known = inspector()(good)
    fc.assert(
      fc.property(
        fc.nat(good.length - 1),
        fc.constantFrom(...Array.from('AZaz09-_+/=. ')),
        (at, sign) => {
          const other = good.slice(0, at) + sign + good.slice(at + 1)
          if (other === good) return
          try {
            expect(inspector()(other).digests).not.toEqual(known.digests)
          } catch (error) {
            expect(isCorralError(error, 'TOKEN_INVALID')).toBe(true)
          }
        },
      ),
      { numRuns: 3_000 },
    )
  })
})

describe('how a token is known', () => {
  it('never by itself', () => {
    const token = jwt({ sub: 'ada' })
    expect(JSON.stringify(inspector()(token))).not.toContain(token.slice(0, 20))
  })

  it('to revocations by what is signed: the second form of an ECDSA signature is the same token', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const input = `${b64({ alg: 'ES256' })}.${b64({ sub: 'ada' })}`
    const one = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    // s and n - s are both right.
    const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const s = BigInt(`0x${one.subarray(32).toString('hex')}`)
    const mirrored = Buffer.from((n - s).toString(16).padStart(64, '0'), 'hex')
    const two = Buffer.concat([one.subarray(0, 32), mirrored])
    const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
    expect(verify('sha256', Buffer.from(input), key, two)).toBe(true)
    const a = inspector()(`${input}.${one.toString('base64url')}`)
    const b = inspector()(`${input}.${two.toString('base64url')}`)
    expect(a.revocations).toEqual(b.revocations)
    // What the verifier said of one signature says nothing of another.
    expect(a.digests).not.toEqual(b.digests)
  })

  it('under each pepper, the first first', () => {
    const [one, two] = [Buffer.from('p'.repeat(16)), Buffer.from('q'.repeat(16))]
    const both = createDigests([one, two]).of('token')
    expect(both).toEqual([...createDigests([one]).of('token'), ...createDigests([two]).of('token')])
    expect(both).not.toContain(createDigests([]).of('token')[0])
    expect(both[0]).toBe(createHmac('sha256', one).update('token').digest('base64url'))
  })

  it('by seals that fit one key, one text and one pepper', () => {
    const [one, two] = [Buffer.from('p'.repeat(16)), Buffer.from('q'.repeat(16))]
    const both = createDigests([one, two])
    const old = createDigests([two])
    const seal = old.seal('t:a', '{}') as string
    expect(both.fits('t:a', '{}', seal)).toBe(true)
    expect(both.fits('t:a', '{} ', seal)).toBe(false)
    expect(both.fits('t:b', '{}', seal)).toBe(false)
    expect(both.fits('t:', 'a{}', seal)).toBe(false)
    expect(createDigests([one]).fits('t:a', '{}', seal)).toBe(false)
    for (const wrong of [undefined, '', 'x', `${seal}AA`, 1]) {
      expect(both.fits('t:a', '{}', wrong)).toBe(false)
    }
    for (let i = 0; i < seal.length; i++) {
      const flipped = `${seal.slice(0, i)}${seal[i] === 'A' ? 'B' : 'A'}${seal.slice(i + 1)}`
      // The last sign has bits that mean nothing.
      if (i < seal.length - 1) expect(both.fits('t:a', '{}', flipped)).toBe(false)
    }
  })
})
