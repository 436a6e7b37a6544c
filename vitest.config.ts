import { defineConfig } from 'vitest/config'

// Packages resolve to their sources, so no test needs a build.
// 'import' would hold for require() as well, and give CommonJS packages the wrong build.
const conditions = ['@corral/source', 'node', 'module']
const sources = { resolve: { conditions }, ssr: { resolve: { conditions } } }

// Where .ci/run wants the counts of this run.
const report = process.env['VITEST_REPORT']

export default defineConfig({
  ...sources,
  test: {
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      {
        ...sources,
        test: {
          name: 'unit',
          include: ['{packages,apps,tooling}/*/src/**/*.test.ts'],
          setupFiles: ['./tooling/checks/src/no-network.ts'],
          // Property tests take their time on a busy machine; none of them waits for anything.
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...sources,
        test: {
          name: 'redis',
          include: ['{packages,apps,tooling}/*/test/**/*.test.ts'],
          exclude: ['tooling/checks/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // On a machine that CI shares, the kernel holds a server up now and then for longer than a
          // deadline lasts. One more try there, which the report shows; none where people work.
          retry: process.env['CI'] === undefined ? 0 : 1,
          // Each file starts its own servers and measures time: more at once than two
          // cores can run makes the measurements lie.
          maxWorkers: 2,
          sequence: { groupOrder: 3 },
        },
      },
      {
        ...sources,
        test: {
          name: 'checks',
          include: ['tooling/checks/test/**/*.test.ts'],
          exclude: ['tooling/checks/test/packaging.test.ts'],
          testTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...sources,
        test: {
          name: 'packaging',
          include: ['tooling/checks/test/packaging.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 2 },
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
