import { spawn } from 'node:child_process';
import type { WriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
/** Time that a run which was told to stop has to write what it measured. */
const graceMs = 20_000;

/** Runs tokenwork, told to stop at its limit and killed if it does not; returns `done`, or what became of it. */
export function runStep(
  command: readonly string[],
  { seconds, log }: { seconds: number; log: WriteStream },
): Promise<string> {
  return new Promise((resolve) => {
    const [first] = command;
    const args = first?.endsWith('.js') ? command : [program, ...command];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    let outcome: string | null = null;
    const stop = setTimeout(() => {
      outcome = `stopped after ${Math.round(seconds)} s`;
      child.kill('SIGINT');
    }, 1000 * seconds);
    const kill = setTimeout(() => child.kill('SIGKILL'), 1000 * seconds + graceMs);
    child.on('close', (code, signal) => {
      clearTimeout(stop);
      clearTimeout(kill);
      log.end();
      resolve(outcome ?? (code === 0 ? 'done' : `failed: ${signal ?? `exit code ${code}`}`));
    });
  });
}
