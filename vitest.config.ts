import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'bench/**/*.test.ts'],
    globalSetup: 'scripts/build-before-tests.ts',
    // Native sessions and worker pools: a process per file, so that a crash names its file.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});
