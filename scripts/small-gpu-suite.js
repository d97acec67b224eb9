// A suite over tiny models, to be run where there is no GPU: node scripts/small-gpu-suite.js gpu|ci > FILE
// Of `gpu`, every model, dtype and block is there in small; of `ci`, every pipeline and so every type of stage. Each
// length has its shaders, which a software GPU compiles on the CPU: lengths are divided and of every axis the ends are
// taken, of completions the last, of prompts the first. Cached prefixes of the suite cache-hit have a test of their own.
import { readFileSync } from 'node:fs';

const [name] = process.argv.slice(2);
const divisors = { gpu: { by: 32, least: 2 }, ci: { by: 4, least: 4 } };
if (!(name in divisors)) throw new Error('Name the suite: gpu or ci');
const suite = JSON.parse(readFileSync(new URL(`../bench/suites/${name}.json`, import.meta.url), 'utf8'));
const small = (model) => (model === 'olmoe-1b-7b' ? 'tiny-moe' : 'tiny');
const distinct = (list) => [...new Map(list.map((item) => [JSON.stringify(item), item])).values()];
const ends = (list) => distinct([list[0], list.at(-1)]);
const { by, least } = divisors[name];
const shrunk = (count) => Math.max(least, Math.ceil(count / by));

suite.description = `The ${name} suite in small, to see that it runs.`;
suite.models = distinct(suite.models.map(({ model, dtype }) => ({ model: small(model), dtype })));
suite.repetitions = 1;
suite.concurrency = 1;
for (const block of suite.design) {
  if (block.models) block.models = distinct(block.models.map(small));
  if (block.promptTokens) block.promptTokens = distinct(ends(block.promptTokens).map(shrunk));
  if (block.prompts) block.prompts = block.prompts.slice(0, 1);
  if (block.batch) block.batch = [Math.max(...block.batch)];
  block.completionTokens = [shrunk(block.completionTokens.at(-1))];
}
suite.design = distinct(suite.design);
process.stdout.write(`${JSON.stringify(suite, null, 2)}\n`);
