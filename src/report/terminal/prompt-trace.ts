import type { PromptTrace } from '../../analysis/stages/prompt-trace.js';
import { claimTable, effectiveTokens } from '../tables/stages.js';
import { metricName } from '../words/names.js';
import { renderTable } from './table.js';
import { renderWaterfall } from './waterfall.js';
import { wrap } from './wrap.js';

/** A traced prompt for a terminal: its waterfall, the noise, and the published claim's test. */
export function renderPromptTrace(
  trace: PromptTrace,
  { width, color, name, model }: { width: number; color: boolean; name: string; model: string },
): string {
  const metric = metricName(trace.metric);
  const noise = trace.repetitions === 1 ? 'measured once' : `the mean of ${trace.repetitions} repetitions`;
  return [
    renderWaterfall(trace.waterfall, { width, color, name }),
    '',
    wrap(
      `Effective tokens are ${metric} in units of the plain token, the reference request of 128 + 128 tokens on ${model} in the same run; ${noise}, in all ${effectiveTokens(trace.effective)}.`,
      width,
    ),
    '',
    wrap(
      'The claim to test: "Hello", 1 token in and 2 out, carries about 89 tokens of computation, 85 of them on no bill. It is often repeated; we know of no source. How many positions a part has is what the pipeline was told to do, input and no evidence; what they cost is measured.',
      width,
    ),
    renderTable(claimTable(trace.claim, metric).columns, width, String),
  ].join('\n');
}
