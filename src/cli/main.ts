#!/usr/bin/env node
import { leaveStuckThreads } from '../run/workers/stuck-threads.js';
import { runCommandLine } from './command-line.js';
import { reportFailure } from './fail.js';

const args = process.argv.slice(2);

// A reader that closes early (`tokenwork flops … | head`) is no failure; any other is `printData`'s to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
});
// That nobody reads the progress is no reason to stop measuring.
process.stderr.on('error', () => {});
// Node itself would exit with 1, which stands for a threshold that was crossed.
process.on('uncaughtException', (thrown) => process.exit(reportFailure(thrown, args.includes('--verbose'))));

await runCommandLine(args);
leaveStuckThreads(Number(process.exitCode ?? 0));
