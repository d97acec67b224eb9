// Measures a small suite on this machine and says whether tokens track the work: node measure.js [RESULT.json]
import { bench, findingsOf, headline, TokenworkError } from 'tokenwork';

try {
  const { result, path } = await bench({ suite: 'ci', repetitions: 2, out: process.argv[2] });
  console.log(`${result.requests.length} requests on ${result.hardware.cpu.brand}, saved in ${path}`);
  console.log(headline(findingsOf(result)));
} catch (thrown) {
  if (!(thrown instanceof TokenworkError)) throw thrown;
  console.error(`${thrown.message}\n${thrown.hint}`);
  process.exitCode = thrown.exitCode;
}
