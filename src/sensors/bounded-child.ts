import { spawn } from 'node:child_process';
import { messageOf } from '../core/errors.js';
import { log } from '../core/log.js';

/** The end of a child process. */
export interface EndedChild {
  /** Exit code; null where a signal or the time limit ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** It had not ended within its time, and was killed. */
  timedOut: boolean;
}

const mostOutputBytes = 64 * 2 ** 20;

/**
 * Runs a program to its end, or to `withinMs`, when it is killed with all that it started: some ignore
 * SIGTERM, as tools of a wedged driver do, and a shell's children keep its pipes open after it has died.
 * Rejects with the system's error (`ENOENT`, `EACCES` …) where it cannot be started.
 */
export function runBounded(
  command: readonly string[],
  { withinMs, env }: { withinMs: number; env?: NodeJS.ProcessEnv },
): Promise<EndedChild> {
  return new Promise((resolve, reject) => {
    const child = spawnInGroup(command, env);
    const output = { stdout: '', stderr: '' };
    const end = (how: Pick<EndedChild, 'code' | 'signal' | 'timedOut'>) => {
      clearTimeout(timer);
      log(
        '%s: %s',
        command.join(' '),
        how.timedOut ? `no answer within ${withinMs} ms` : (how.code ?? how.signal),
      );
      resolve({ ...how, ...output });
    };
    const timer = setTimeout(() => {
      child.kill();
      end({ code: null, signal: 'SIGKILL', timedOut: true });
    }, withinMs);
    for (const name of ['stdout', 'stderr'] as const)
      child.process[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
        if (output[name].length > mostOutputBytes) child.kill();
      });
    child.process.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.process.once('close', (code, signal) => end({ code, signal, timedOut: false }));
  });
}

/**
 * Starts a program without standard input in a process group of its own. `kill` ends the group by SIGKILL;
 * this process's exit does too, as a terminal's Ctrl-C no longer reaches the group.
 */
export function spawnInGroup(command: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const hasGroups = process.platform !== 'win32';
  const started = spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: hasGroups,
    windowsHide: true,
    env,
  });
  const kill = () => {
    process.off('exit', kill);
    started.stdout.destroy();
    started.stderr.destroy();
    const { pid } = started;
    if (pid === undefined || started.exitCode !== null || started.signalCode !== null) return;
    try {
      process.kill(hasGroups ? -pid : pid, 'SIGKILL');
    } catch (error) {
      // It ended meanwhile: there is no such process any more.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH')
        throw new Error(messageOf(error), { cause: error });
    }
  };
  process.once('exit', kill);
  started.once('close', () => process.off('exit', kill));
  return { process: started, kill };
}
