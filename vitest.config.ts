import { defineConfig } from 'vitest/config'

// Packages resolve to their sources, so no test needs a build.
const conditions = ['@corral/source', 'node', 'import', 'module', 'default']
const sources = { resolve: { conditions }, ssr: { resolve: { conditions } } }

export default defineConfig({
  ...sources,
  test: {
    projects: [
      {
        ...sources,
        test: {
          name: 'unit',
          include: ['{packages,apps,tooling}/*/src/**/*.test.ts'],
        },
      },
      {
        ...sources,
        test: {
          name: 'redis',
          include: ['{packages,apps,tooling}/*/test/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Each file starts its own servers and measures time: more at once than two
          // cores can run makes the measurements lie.
          maxWorkers: 2,
        },
      },
      {
        ...sources,
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            checker: 'tsc',
            tsconfig: './tsconfig.types.json',
            include: ['{packages,apps,tooling}/*/src/**/*.test-d.ts'],
          },
        },
      },
    ],
  },
})
