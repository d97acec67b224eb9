import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { messageOf, TokenworkError } from '../core/errors.js';
import type { Result } from '../core/result.js';
import { formatDuration } from '../report/words/format.js';
import { spawnInGroup } from '../sensors/bounded-child.js';
import { shellWord } from './page-hint.js';
import type { ProgressLine } from './progress.js';
import { readResultFile } from './result-file.js';

export interface TurnsOptions {
  /** How often each command is run. */
  rounds: number;
  /** The folder that results stay in; without it they are removed once all are read. */
  keep?: string | undefined;
  line: ProgressLine;
  signal: AbortSignal;
  /** Called with the first result of each command: what it throws ends the runs before the others are made. */
  checkFirst(results: readonly Result[]): void;
}

/**
 * Runs commands of the shell that measure in turn, A B B A A B …, so that what drifts is not taken for a difference
 * between them, and returns the results of each. Throws TokenworkError `interrupted` or `command-failed` (exit code
 * 3), which name the folder of what had been measured, `unwritable-output`, and what reading and `checkFirst` throw.
 */
export async function runInTurn(commands: readonly string[], options: TurnsOptions): Promise<Result[][]> {
  const { rounds, keep, line, signal, checkFirst } = options;
  const folder =
    keep === undefined ? await mkdtemp(join(tmpdir(), 'tokenwork-diff-')) : await emptyFolder(resolve(keep));
  const runs = turnsOf(commands.length, rounds).map((side, position) => {
    const name = nameOf(side, commands.length);
    const path = join(folder, `${name}-${Math.floor(position / commands.length) + 1}.json`);
    return { side, name, path, command: commands[side]! };
  });
  const results: Result[][] = commands.map(() => []);
  const whereTheyAre = () => {
    const whole = results.flat().length;
    return whole === 0
      ? `Nothing had been measured to the end; what there is lies in ${folder}.`
      : `What ${whole} of ${runs.length} runs measured is kept in ${folder}.`;
  };
  let [spentMs, done] = [0, 0];
  for (const { side, name, path, command } of runs) {
    const left = done === 0 ? '' : `, ${inSeconds((spentMs / done) * (runs.length - done))} left`;
    line.show(`run ${done + 1} of ${runs.length}: ${name}${left}`);
    const startedMs = performance.now();
    const ended = await runLine(`${command} --quiet --out ${quoted(path)}`, signal);
    line.clear();
    if (signal.aborted)
      throw new TokenworkError('interrupted', 'The comparison was stopped.', whereTheyAre());
    const run = `Run ${done + 1} of ${runs.length}, ${name},`;
    if (ended.how !== null) {
      line.note(ended.lastLines);
      throw new TokenworkError('command-failed', `${run} ${ended.how}: ${command}`, whereTheyAre());
    }
    results[side]!.push(await resultOf(path, run, command));
    spentMs += performance.now() - startedMs;
    done++;
    line.note(`${run} took ${inSeconds(performance.now() - startedMs)}.`);
    if (done === commands.length) checkFirst(results.map(([first]) => first!));
  }
  if (keep === undefined) await rm(folder, { recursive: true });
  else line.note(`The results are kept in ${folder}.`);
  return results;
}

/** Every other round backwards: each side's runs lie around the same moment. */
function turnsOf(sides: number, rounds: number): number[] {
  const forwards = Array.from({ length: sides }, (_, side) => side);
  return Array.from({ length: rounds }, (_, round) =>
    round % 2 === 0 ? forwards : forwards.toReversed(),
  ).flat();
}

function nameOf(side: number, sides: number): string {
  if (side === 0) return 'baseline';
  return sides === 2 ? 'candidate' : `candidate${side}`;
}

const inSeconds = (ms: number): string => formatDuration(Math.max(1, Math.round(ms / 1000)) * 1e9);

const quoted = (path: string): string => (process.platform === 'win32' ? `"${path}"` : shellWord(path));

/** Throws TokenworkError `unwritable-output` where something lies in it: runs of two comparisons would mix. */
async function emptyFolder(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true });
    if ((await readdir(path)).length === 0) return path;
  } catch (cause) {
    const message = `${path} cannot be written: ${messageOf(cause)}.`;
    throw new TokenworkError('unwritable-output', message, 'Choose another place.', { cause });
  }
  throw new TokenworkError('unwritable-output', `${path} is not empty.`, 'Name a new folder with --keep.');
}

/** Throws TokenworkError `command-failed` where a command that went well left no result. */
async function resultOf(path: string, run: string, command: string): Promise<Result> {
  try {
    return await readResultFile(path);
  } catch (cause) {
    if (!(cause instanceof TokenworkError && cause.code === 'json-missing')) throw cause;
    throw new TokenworkError(
      'command-failed',
      `${run} wrote no result to the file it was given with --out: ${command}`,
      'The last program of a command has to be `tokenwork bench`, to which --quiet --out FILE is appended.',
      { cause },
    );
  }
}

/** Of what a command prints, so much is kept to show how it failed. */
const keptCharacters = 8_000;
const shownLines = 15;
/** A run that is stopped saves what has finished, which takes as long as the request that is running. */
const mostStoppingMs = 60_000;
/** What a command leaves behind would run beside the next. */
const mostLingeringMs = 2_000;

/** How a command failed, in words, and the last lines that it printed; `how` is `null` where it went well. */
function runLine(command: string, signal: AbortSignal): Promise<{ how: string | null; lastLines: string }> {
  return new Promise((resolve, reject) => {
    const child = spawnInGroup(command);
    let printed = '';
    for (const stream of [child.process.stdout, child.process.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed = (printed + text).slice(-keptCharacters);
      });
    let timer: NodeJS.Timeout | undefined;
    const stop = () => {
      child.send('SIGINT');
      timer = setTimeout(child.kill, mostStoppingMs);
    };
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop);
    child.process.once('error', (error) => {
      settle();
      reject(error);
    });
    child.process.once('exit', () => {
      clearTimeout(timer);
      timer = setTimeout(child.kill, mostLingeringMs);
    });
    child.process.once('close', (code, killedBy) => {
      settle();
      const lastLines = printed.trimEnd().split('\n').slice(-shownLines).join('\n');
      const how = killedBy === null ? `ended with exit code ${code}` : `was ended by ${killedBy}`;
      resolve({ how: code === 0 ? null : how, lastLines });
    });
  });
}
