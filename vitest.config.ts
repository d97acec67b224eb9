import { defineConfig } from 'vitest/config';

/** Rooms whose tests compute and no more: they share a process, and so what they import. */
const pure = [
  'src/*.test.ts',
  'src/{core,stats,analysis,workload,journal,fold}/**/*.test.ts',
  'src/report/**/!(*.browser).test.ts',
  // Sessions on the CPU, opened and closed by each test.
  'src/stages/**/!(webgpu*).test.ts',
  'src/cli/!(command-line|hostile-text).test.ts',
  'src/cli/help/*.test.ts',
  'src/{sensors,sampling}/*.test.ts',
  'src/sensors/nvidia/*.test.ts',
  'src/models/{cost,onnx}/**/*.test.ts',
  'src/models/*.test.ts',
  'src/models/encoder/*.test.ts',
  'src/models/build/!(decoder).test.ts',
];
/** Real runs of a minute: `npm run test:slow`, with the simulations. */
const slow = 'src/**/*.slow.test.ts';
/** Coverage of intervals and false alarms, over hundreds of simulated results. */
const simulations = 'src/analysis/**/*.slow.test.ts';

export default defineConfig({
  test: {
    globalSetup: 'scripts/set-up-tests.ts',
    pool: 'forks',
    // One more than cores, as many tests wait for processes and timers; CI's software GPU computes on the cores.
    maxWorkers: process.env.CI ? 2 : 3,
    testTimeout: 60_000,
    restoreMocks: true,
    projects: [
      {
        extends: true,
        // Native sessions, worker pools, a browser: a process per file, so that a crash names its file.
        test: { name: 'engine', include: ['src/**/*.test.ts'], exclude: [...pure, slow] },
      },
      {
        extends: true,
        test: { name: 'pure', include: pure, exclude: [slow], isolate: false },
      },
      {
        extends: true,
        test: { name: 'slow', include: [slow], exclude: [simulations], testTimeout: 300_000 },
      },
      {
        extends: true,
        test: { name: 'slow-simulations', include: [simulations], testTimeout: 300_000 },
      },
    ],
  },
});
