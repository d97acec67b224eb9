import { spawn } from 'node:child_process';
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

export interface Bounds {
  withinMs: number;
  env?: NodeJS.ProcessEnv;
  /** Written to its standard input, which is empty otherwise. */
  input?: string;
  /** Ends it at once. */
  signal?: AbortSignal | undefined;
}

/**
 * Runs a program to its end, or to `withinMs`, when it is killed with all that it started: some ignore
 * SIGTERM, as tools of a wedged driver do, and a shell's children keep its pipes open after it has died.
 * Rejects with the system's error (`ENOENT`, `EACCES` …) where it cannot be started, and with the signal's reason.
 */
export function runBounded(
  command: readonly string[],
  { withinMs, env, input, signal }: Bounds,
): Promise<EndedChild> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawnInGroup(command, env, input);
    const output = { stdout: '', stderr: '' };
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    const abort = () => {
      settle();
      child.kill();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort);
    const end = (how: Pick<EndedChild, 'code' | 'signal' | 'timedOut'>) => {
      settle();
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
      settle();
      reject(error);
    });
    child.process.once('close', (code, signal) => end({ code, signal, timedOut: false }));
  });
}

/**
 * Asks a program as `runBounded` does for one line: what follows `mark` on the last line of its standard output that
 * begins with it, as drivers print there too. Null where there is none, and `ended` tells why.
 */
export async function askBounded(
  command: readonly string[],
  mark: string,
  bounds: Bounds,
): Promise<{ answer: string | null; ended: EndedChild }> {
  const ended = await runBounded(command, bounds);
  const line = ended.stdout.split('\n').findLast((one) => one.startsWith(mark));
  return { answer: line?.slice(mark.length) ?? null, ended };
}

/**
 * Starts a program, or a line of the shell, in a process group of its own, with `input` for its standard input. `kill`
 * ends the group by SIGKILL; this process's exit does too, as a terminal's Ctrl-C no longer reaches the group.
 */
export function spawnInGroup(
  command: readonly string[] | string,
  env: NodeJS.ProcessEnv = process.env,
  input?: string,
) {
  const hasGroups = process.platform !== 'win32';
  const [program, ...args] = typeof command === 'string' ? [command] : command;
  const started = spawn(program!, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    shell: typeof command === 'string',
    detached: hasGroups,
    windowsHide: true,
    env,
  });
  // A child that has died reads no more; how it ended is told by its end.
  started.stdin.on('error', (error) => log('standard input of %s: %s', program, error));
  started.stdin.end(input);
  // To the group: what the program started may outlive it, and keep its pipes open.
  const send = (signal: NodeJS.Signals) => {
    const { pid } = started;
    if (pid === undefined) return;
    try {
      process.kill(hasGroups ? -pid : pid, signal);
    } catch (error) {
      // ESRCH: all of it has ended meanwhile. EPERM: what is left of it are zombies, on macOS.
      log('%s to %s: %s', signal, program, error);
    }
  };
  const kill = () => {
    process.off('exit', kill);
    started.stdout.destroy();
    started.stderr.destroy();
    send('SIGKILL');
  };
  process.once('exit', kill);
  started.once('close', () => process.off('exit', kill));
  return { process: started, send, kill };
}
