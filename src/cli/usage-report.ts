import { basename } from 'node:path';
import { applyToLog } from '../analysis/applied/applied.js';
import { UsageTally } from '../analysis/applied/usage-tally.js';
import { resultsByModel } from '../analysis/one-model.js';
import { TokenworkError } from '../core/errors.js';
import type { Result } from '../core/result.js';
import { plainText, printableJson } from '../core/text.js';
import { renderApplied } from '../report/terminal/applied.js';
import type { LogRead } from '../report/words/applied.js';
import { readUsage } from '../workload/usage-log.js';
import { printData, terminalOf } from './terminal.js';

/** More of a log's models are not told by name. */
const mostModels = 20;

/**
 * Prints what a result says of a log of usage. Throws TokenworkError `bad-option` where the result has several models
 * and none is named, `empty-usage`, and what reading a log throws.
 */
export async function printUsage(
  result: Result,
  {
    usage: path,
    model,
    json = false,
  }: { usage: string; model?: string | undefined; json?: boolean | undefined },
): Promise<void> {
  const answering = [...new Set(result.cells.map((cell) => cell.model))];
  if (model === undefined && answering.length > 1) {
    throw new TokenworkError(
      'bad-option',
      '--usage applies the work of one model, and the result has several.',
      `Add --model with one of: ${answering.join(', ')}.`,
    );
  }
  const [measured] = resultsByModel(result, model ?? answering[0]) as [Result];
  const { tally, log } = await tallied(path);
  const applied = applyToLog(measured, tally.bins());
  await printData(
    json
      ? `${printableJson({ ...applied, usage: log }, 2)}\n`
      : renderApplied(applied, { log, ...terminalOf(process.stdout) }),
  );
}

async function tallied(path: string): Promise<{ tally: UsageTally; log: LogRead & { reasoning: number } }> {
  const tally = new UsageTally();
  const models = new Set<string>();
  let [requests, without, reasoning] = [0, 0, 0];
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for await (const usage of readUsage(path)) {
    if (usage === null) {
      without++;
      continue;
    }
    requests++;
    tally.add(usage);
    reasoning += usage.reasoning;
    if (usage.time !== null) [from, to] = [Math.min(from, usage.time), Math.max(to, usage.time)];
    if (usage.model !== null && models.size < mostModels) models.add(plainText(usage.model));
  }
  if (requests === 0) {
    throw new TokenworkError(
      'empty-usage',
      `${path} holds no usage.`,
      'Give a JSON value a line, each with "usage", or with prompt_tokens and completion_tokens.',
    );
  }
  const times = from <= to ? { from, to } : { from: null, to: null };
  const name = path === '-' ? 'standard input' : plainText(basename(path));
  return { tally, log: { name, without, reasoning, ...times, models: [...models] } };
}
