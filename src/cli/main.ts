#!/usr/bin/env node
import { leaveStuckThreads } from '../run/workers/stuck-threads.js';
import { runCommandLine } from './command-line.js';
import { reportFailure } from './fail.js';
import { guardOutput } from './guarded-output.js';

const args = process.argv.slice(2);

guardOutput();
// Which failure of stdout is one, is `printData`'s to tell.
process.stdout.on('error', () => {});
// That nobody reads the progress is no reason to stop measuring.
process.stderr.on('error', () => {});
// Node itself would exit with 1, which stands for a threshold that was crossed.
process.on('uncaughtException', (thrown) => process.exit(reportFailure(thrown, args.includes('--verbose'))));

await runCommandLine(args);
leaveStuckThreads(Number(process.exitCode ?? 0));
