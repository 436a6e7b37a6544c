import { defineConfig } from 'vitest/config'

const conditions = ['@corral/source', 'node', 'import', 'module', 'default']
const shared = { resolve: { conditions }, ssr: { resolve: { conditions } } }

export default defineConfig({
  ...shared,
  test: {
    projects: [
      {
        ...shared,
        test: { name: 'unit', include: ['{packages,apps,tooling}/*/src/**/*.test.ts'] },
      },
      {
        ...shared,
        test: {
          name: 'redis',
          include: ['{packages,apps,tooling}/*/test/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
