/**
 * Run as a process of its own by `chooseBackend`: reads a model's description from standard input, compares the back
 * ends and prints the answer after the mark.
 */
import { text } from 'node:stream/consumers';
import {
  answerMark,
  type ComparisonAnswer,
  type ComparisonTask,
  errorAnswer,
  writeAnswer,
} from './choose-backend.js';
import { compareBackends } from './compare-logits.js';

async function compared(): Promise<ComparisonAnswer> {
  const { model, options } = JSON.parse(await text(process.stdin)) as ComparisonTask;
  try {
    return { choice: await compareBackends(model, options) };
  } catch (thrown) {
    return errorAnswer(thrown);
  }
}

process.stdout.write(`\n${answerMark}${writeAnswer(await compared())}\n`);
