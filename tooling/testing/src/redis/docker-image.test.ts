import { expect, it } from 'vitest'
import { imageFor } from './docker-image.ts'

it.each([
  [undefined, undefined, 'redis:7-alpine'],
  ['6.2', undefined, 'redis:6.2-alpine'],
  ['valkey-8.1', undefined, 'valkey/valkey:8.1-alpine'],
  ['7.2', 'registry.local/redis:{version}', 'registry.local/redis:7.2'],
  ['7.2', 'mine:latest', 'mine:latest'],
  ['7.2', '', 'redis:7.2-alpine'],
])('version %s, override %s: %s', (version, override, image) => {
  expect(imageFor(version, override)).toBe(image)
})
