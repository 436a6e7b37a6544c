import { createRequire, Module } from 'node:module'
import type { Keyv } from 'keyv'
import type * as vitest from 'vitest'

type Suite = (test: typeof vitest, keyv: typeof Keyv, store: () => unknown) => void

// The workers of vitest run with `--conditions=import` (vitest.config.ts), under which `require` of a
// package with two forms gives its ES module. json-bigint, which the suite uses, requires bignumber.js
// and wants the other one; so it is put where `require` looks first.
const fromSuite = createRequire(createRequire(import.meta.url).resolve('@keyv/test-suite'))
const fromJsonBigint = createRequire(fromSuite.resolve('json-bigint'))
const found = fromJsonBigint.resolve('bignumber.js')
if (found.endsWith('.mjs')) {
  const bignumber = new Module(found)
  bignumber.exports = fromJsonBigint(found.replace(/\.mjs$/, '.js'))
  bignumber.loaded = true
  fromJsonBigint.cache[found] = bignumber
}

const suite = await import('@keyv/test-suite')

// Its types are written for a vitest and a Keyv of its own.
export const keyvTestSuite = suite.default as unknown as Suite
export const keyvIteratorTests = suite.keyvIteratorTests as unknown as Suite
