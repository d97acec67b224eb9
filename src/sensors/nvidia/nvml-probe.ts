import { fileURLToPath } from 'node:url';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { messageOf } from '../../core/errors.js';
import type { Absence } from '../absence.js';
import { askBounded, type EndedChild } from '../bounded-child.js';
import { findNvml } from './nvml-library.js';

/** Before the answer on the child's stdout. */
const answerMark = 'tokenwork-nvml:';
// As long as nvidia-smi gets: a driver that keeps nothing in memory sets up every GPU first.
const answerWithinMs = 10_000;
// A child loads no TypeScript: where the sources run (tests), the build stands in for them.
const probeFile = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../../dist/sensors/nvidia/probe-nvml.js' : './probe-nvml.js',
    import.meta.url,
  ),
);
/** Under which threads that are started later inherit what was found. */
const key = 'tokenwork-nvml';

type Found = Map<string, Absence | null>;
const inherited = getEnvironmentData(key);
const found: Found = inherited instanceof Map ? (inherited as Found) : new Map();
const asking = new Map<string, Promise<Absence | null>>();

/**
 * Whether NVML may be called in this process: null, or why not. A driver that is wedged never returns from a call,
 * and takes the thread with it; so a child process calls it first, once for this process and the threads that it
 * starts afterwards, and only where there is a library to call.
 */
export function nvmlTrouble(libraryPath?: string, withinMs = answerWithinMs): Promise<Absence | null> {
  const { file, loads } = findNvml(libraryPath);
  if (file === null || !loads) return Promise.resolve(null); // Loading it again says what is missing.
  const known = found.get(file);
  if (known !== undefined) return Promise.resolve(known);
  const answer = asking.get(file) ?? ask(file, withinMs);
  asking.set(file, answer);
  return answer;
}

/** What `nvmlTrouble` found in this process, or in the one that started this thread; null where it was not asked. */
export function knownNvmlTrouble(libraryPath?: string): Absence | null {
  const { file } = findNvml(libraryPath);
  return (file === null ? null : found.get(file)) ?? null;
}

async function ask(file: string, withinMs: number): Promise<Absence | null> {
  const trouble = await troubleWith(file, withinMs);
  found.set(file, trouble);
  setEnvironmentData(key, found);
  return trouble;
}

async function troubleWith(file: string, withinMs: number): Promise<Absence | null> {
  try {
    const { answer, ended } = await askBounded([process.execPath, probeFile, answerMark, file], answerMark, {
      withinMs,
    });
    return answer === null ? unanswered(ended, withinMs) : null;
  } catch (error) {
    return {
      reason: 'unsupported',
      hint: `NVML could not be tried in a process of its own: ${messageOf(error)}`,
    };
  }
}

function unanswered({ timedOut, signal, stderr }: EndedChild, withinMs: number): Absence {
  const said = stderr.trim().split('\n').at(-1)?.slice(0, 300);
  const how = timedOut
    ? `NVML gave no answer within ${withinMs / 1000} s`
    : `NVML ended the process that tried it${signal ? ` by ${signal}` : ''}${said ? ` (${said})` : ''}`;
  return {
    reason: 'unsupported',
    hint: `${how}: the driver may hang; see dmesg, and reboot with: sudo reboot`,
  };
}
