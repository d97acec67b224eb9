/** Runs a GGUF model in a process of its own and says on stdout what came of it. Started by `checkModel`. */
import { text } from 'node:stream/consumers';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { answerMark, type CheckAnswer, check } from './check.js';
import { keepNativeLog } from './library.js';

keepNativeLog();
const answer: CheckAnswer = await check(JSON.parse(await text(process.stdin))).catch((thrown) => {
  const { code, message, hint } =
    thrown instanceof TokenworkError
      ? thrown
      : { code: 'engine-failed' as const, message: messageOf(thrown), hint: 'Try another quantisation.' };
  return { error: { code, message, hint } };
});
process.stdout.write(`\n${answerMark}${JSON.stringify(answer)}\n`);
// Not by returning: a driver's threads may keep the process.
process.exit(0);
