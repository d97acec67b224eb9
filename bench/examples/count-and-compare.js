// Counts models that nobody has to download, and compares two results: node count-and-compare.js BEFORE.json AFTER.json
import { compareResults, countFlops, readResult } from 'tokenwork';

for (const model of ['gpt2-124m', 'llama-3-8b']) {
  const { flops, parameters } = await countFlops(model, { promptTokens: 1, pastTokens: 1024 });
  const perParameter = flops.matmul / parameters;
  console.log(
    `${model}: ${(flops.matmul / 1e9).toFixed(2)} GFLOP a token, ${perParameter.toFixed(2)} per parameter`,
  );
}
const [beforePath, afterPath] = process.argv.slice(2);
const before = await readResult(beforePath);
const [comparison] = compareResults(before, [await readResult(afterPath)]);
for (const [metric, { ratio, low, high, verdict }] of Object.entries(comparison.geomean)) {
  const interval = low === null ? '' : ` [${low.toFixed(3)}–${high.toFixed(3)}]`;
  console.log(`${metric}: ${ratio.toFixed(3)}×${interval}, ${verdict ?? 'no verdict'}`);
}
