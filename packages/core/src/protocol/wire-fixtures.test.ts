import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { composeEntry, decodeEntry, encodeEntry, leaseText, type EntryDraft } from './wire-entry.ts'

interface Fixture {
  readonly name: string
  readonly key: string
  readonly draft: Omit<EntryDraft, 'redisKey'>
  readonly at: number
  readonly expires?: number
  readonly text: string
}

function fixtures(name: string): unknown {
  const file = new URL(`../../test/fixtures/wire/${name}`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8'))
}

// A change here is a new format version, not a new snapshot.
describe('wire format 1 is frozen', () => {
  test.each(fixtures('v1.json') as Fixture[])('$name', ({ key, draft, at, expires, text }) => {
    expect(composeEntry(encodeEntry({ redisKey: key, ...draft }) as string, at, expires)).toBe(text)
    for (const stored of [text, Buffer.from(text)]) {
      expect(decodeEntry(stored, key)).toMatchObject({
        kind: 'entry',
        loadedAt: at,
        expires,
        value: draft.value,
        tags: draft.tags ?? [],
        seen: draft.seen ?? [],
        encoded: draft.encoded,
      })
    }
  })

  test('lease', () => {
    expect(leaseText('k3x-0', 1795148236136123)).toBe('{"lease":"k3x-0","at":1795148236136123}')
  })
})

describe('what Keyv 5.6 wrote', () => {
  test.each(fixtures('keyv-5.json') as { text: string; value: unknown; expires?: number }[])(
    '$text',
    ({ text, value, expires }) => {
      const decoded = decodeEntry(text, 'shop:v1::k')
      expect(decoded).toMatchObject({ kind: 'entry', loadedAt: undefined, expires })
      const read = decoded.kind === 'entry' ? decoded.value : undefined
      expect(Buffer.isBuffer(read) ? { buffer: read.toString('base64') } : read).toEqual(value)
    },
  )
})
