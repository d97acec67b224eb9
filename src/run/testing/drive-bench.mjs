/**
 * Runs a benchmark in a process of its own, so that tests can kill it: options as JSON in the first
 * argument; a line `done/total` on stdout per progress; the error's code and hint on stderr.
 */
import { runBench } from '../../../dist/run/bench.js';

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
try {
  await runBench({
    ...JSON.parse(process.argv[2]),
    command: 'test',
    tool: { version: '0', commit: null },
    signal: stop.signal,
    onProgress: ({ phase, done, total }) => process.stdout.write(`${phase} ${done}/${total}\n`),
  });
} catch (error) {
  process.stderr.write(`${error.code}: ${error.message}\n${error.hint}\n`);
  process.exitCode = error.exitCode ?? 1;
}
