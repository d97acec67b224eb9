import type { ClaimPart, PromptTrace, Repeated } from '../../analysis/stages/prompt-trace.js';
import { formatNumber } from '../words/format.js';
import { metricName } from '../words/metric-name.js';
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
      `Effective tokens are ${metric} in units of the plain token, the reference request of 128 + 128 tokens on ${model} in the same run; ${noise}, in all ${interval(trace.effective)}.`,
      width,
    ),
    '',
    wrap(
      'The published claim to test: "Hello", 1 token in and 2 out, carries about 89 tokens of computation.',
      width,
    ),
    claimTable(trace.claim, metric, width),
  ].join('\n');
}

function claimTable(claim: readonly ClaimPart[], metric: string, width: number): string {
  return renderTable(
    [
      { header: ['part', ''], values: claim.map(({ part }) => part), align: 'left', importance: 4 },
      {
        header: ['published', 'tokens'],
        values: claim.map(({ published }) => String(published)),
        align: 'right',
        importance: 3,
      },
      {
        header: ['processed', 'here'],
        values: claim.map(({ processed }) => formatNumber(processed)),
        align: 'right',
        importance: 2,
      },
      {
        header: ['effective here', `by ${metric}`],
        values: claim.map(({ effective }) => interval(effective)),
        align: 'right',
        importance: 3,
      },
    ],
    width,
    (text) => text,
  );
}

/** `89 [81–97]`. */
function interval({ value, low, high }: Repeated): string {
  const shown = formatNumber(value);
  return low === null || high === null
    ? shown
    : `${shown} [${formatNumber(Math.max(0, low))}–${formatNumber(high)}]`;
}
