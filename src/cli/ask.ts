import { createInterface } from 'node:readline/promises';
import { log } from '../core/log.js';
import type { ProgressLine } from './progress.js';

/**
 * Returns how to ask a question that is answered with yes or no; undefined where nobody sits at a terminal. No answer
 * and an interrupt are a no.
 */
export function askerOn(
  line: Pick<ProgressLine, 'clear'>,
  signal: AbortSignal,
): ((question: string) => Promise<boolean>) | undefined {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) return undefined;
  return async (question) => {
    line.clear();
    // Not as a terminal of readline's own: that would take Ctrl-C away from the process.
    const asking = createInterface({ input: stdin, output: stderr, terminal: false });
    try {
      const closed = new Promise<string>((resolve) => asking.once('close', () => resolve('')));
      const answer = await Promise.race([asking.question(`${question} [y/N] `, { signal }), closed]);
      return /^y(es)?$/i.test(answer.trim());
    } catch (error) {
      log('a question was not answered: %s', error);
      return false;
    } finally {
      asking.close();
    }
  };
}
