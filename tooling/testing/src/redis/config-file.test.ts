import { expect, it } from 'vitest'
import { configFile } from './config-file.ts'

it('quotes what needs it', () => {
  expect(
    configFile([
      ['port', '7000'],
      ['save', ''],
      ['requirepass', 'a "b" \\c#'],
    ]),
  ).toBe('port 7000\nsave ""\nrequirepass "a \\"b\\" \\\\c#"\n')
})
