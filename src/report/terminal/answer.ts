import { createColors } from 'picocolors';
import { answerOf } from '../../analysis/answer/answer.js';
import type { Findings } from '../../analysis/findings.js';
import type { Result } from '../../core/result.js';
import {
  claimSentence,
  costWords,
  machineWords,
  mendSentence,
  modelWords,
  nextSentences,
  speedWords,
  subsidyWords,
} from '../words/answer.js';
import { recordingNotice } from '../words/recording.js';
import { describeFailures, describeIncomplete } from '../words/run-findings.js';
import { wrap } from './wrap.js';

export interface AnswerTextOptions {
  /** Characters per line. */
  width: number;
  color: boolean;
  /** A line on where the rest is, as of the command line; none where the rest follows. */
  more?: string | undefined;
}

/** Warnings without which figures would be taken for what they are not; these come first. */
const leading = new Set([
  'busy-neighbours',
  'throttled',
  'figures-lost',
  'ledger-mismatch',
  'parity-mismatch',
]);
const mostWarnings = 4;

/** The first screen of a result: about ten lines, and one for each thing that went wrong. */
export function renderAnswer(result: Result, findings: Findings, options: AnswerTextOptions): string {
  const { width, color, more } = options;
  const colors = createColors(color);
  const answer = answerOf(result, findings);
  const { models, mend, overpays, underpays } = answer;
  const named = (text: string, id: string) => (models.length > 1 ? `${id}: ${text}` : text);
  const [next] = nextSentences(answer);
  const lines = (texts: readonly string[], style: (text: string) => string = String) =>
    texts.map((text) => style(wrap(text, width)));
  return `${[
    ...lines([...models.map((model) => modelWords(model, answer)), machineWords(answer)], colors.dim),
    ...lines([claimSentence(answer)], colors.bold),
    ...lines([
      ...models.map((model) => named(`Speed: ${speedWords(model)}`, model.id)),
      ...models.flatMap(({ id, costs }) => costs.map((cost) => named(`Cost: ${costWords(cost)}`, id))),
      ...(overpays === null ? [] : [`Overpays most: ${subsidyWords(overpays, answer)}`]),
      ...(underpays === null ? [] : [`Underpays most: ${subsidyWords(underpays, answer)}`]),
      ...(mend === null ? [] : [`Prices: ${mendSentence(mend)}`]),
    ]),
    ...troubles(result, width).map((line) => colors.yellow(line)),
    ...lines([...(next === undefined ? [] : [`Next: ${next}`]), ...(more === undefined ? [] : [more])]),
  ].join('\n')}\n`;
}

/** What went wrong, or must be known, a line each. */
function troubles(result: Result, width: number): string[] {
  const notice = recordingNotice(result);
  const { warnings } = result;
  const ordered = [
    ...warnings.filter(({ code }) => leading.has(code)),
    ...warnings.filter(({ code }) => !leading.has(code)),
  ].map(({ message }) => `Warning: ${message}`);
  const left = ordered.length - mostWarnings;
  return [
    ...(notice === null ? [] : [notice]),
    ...describeIncomplete(result),
    ...describeFailures(result),
    ...ordered.slice(0, mostWarnings),
    ...(left > 0 ? [`${left} more ${left === 1 ? 'warning' : 'warnings'}: see --full.`] : []),
  ].map((line) => (line.length <= width ? line : `${line.slice(0, width - 1)}…`));
}
