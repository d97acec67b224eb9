// The gpu suite over tiny models, to be run where there is no GPU: node scripts/small-gpu-suite.js > FILE
// Every model, dtype and block of the suite is there in small: lengths ÷ 32, the ends of each axis, one prompt.
// The cached prefixes of the suite cache-hit come on top.
import { readFileSync } from 'node:fs';

const suiteOf = (name) =>
  JSON.parse(readFileSync(new URL(`../bench/suites/${name}.json`, import.meta.url), 'utf8'));
const suite = suiteOf('gpu');
const small = (name) => (name === 'olmoe-1b-7b' ? 'tiny-moe' : 'tiny');
const distinct = (list) => [...new Map(list.map((item) => [JSON.stringify(item), item])).values()];
const ends = (list) => distinct([list[0], list.at(-1)]);
const shrunk = (counts) => ends(counts.map((count) => Math.max(2, Math.ceil(count / 32))));

suite.description = 'The gpu suite in small, to see that it runs.';
suite.models = distinct(suite.models.map(({ model, dtype }) => ({ model: small(model), dtype })));
suite.repetitions = 1;
for (const block of suite.design) {
  if (block.models) block.models = distinct(block.models.map(small));
  if (block.promptTokens) block.promptTokens = shrunk(block.promptTokens);
  if (block.prompts) block.prompts = block.prompts.slice(0, 1);
  if (block.batch) block.batch = ends(block.batch);
  block.completionTokens = shrunk(block.completionTokens);
}
const cached = suiteOf('cache-hit').design.filter(({ pipelines }) => pipelines?.includes('agent'));
suite.design.push(...cached.map((block) => ({ ...block, models: ['tiny'] })));
process.stdout.write(`${JSON.stringify(suite, null, 2)}\n`);
