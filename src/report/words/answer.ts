import type { Answer, AnsweredModel, Mend, NamedSubsidy, NextStep } from '../../analysis/answer/answer.js';
import type { Cost } from '../../analysis/answer/costs.js';
import type { Figure } from '../../analysis/figure.js';
import { verdictRepetitions } from '../../core/verdict.js';
import { cellInWords } from './cells.js';
import {
  formatBytes,
  formatCount,
  formatEstimate,
  formatKnown,
  formatNumber,
  percent,
  shares,
} from './format.js';
import { factorName, metricName } from './names.js';
import { weightsInWords } from './setting.js';

/** `smollm2-135m: 135 M parameters, q4, random weights`, and what ran beside it. */
export function modelWords({ id, record }: AnsweredModel, { helpers }: Answer): string {
  const beside = helpers.map((helper) =>
    helper.roles.length === 0 ? helper.id : `${helper.id} as ${helper.roles.join(' and ')}`,
  );
  const ran = beside.length === 0 ? '' : `; stages ran ${beside.join(', ')}`;
  return `${id}: ${weightsInWords(record)}${ran}`;
}

/** `AMD EPYC, 2 cores, 23.5 GiB; on cpu by onnx 1.30.0, 1 thread; 2026-11-28`. */
export function machineWords({ machine, models, startedAt }: Answer): string {
  const parts = [
    machine.cpu,
    ...formatKnown(machine.logicalCores, (cores) => formatCount(cores, 'core')),
    ...formatKnown(machine.memoryBytes, formatBytes),
    ...machine.gpus,
  ];
  const engines = models.map(({ record: { engine } }) => {
    if (engine.backend === 'server') return `requests to ${engine.name} ${engine.version}`;
    const device = engine.adapter ? `${engine.device} (${engine.adapter.name})` : engine.device;
    const threads = engine.device === 'cpu' ? `, ${formatCount(engine.threads, 'thread')}` : '';
    return `on ${device} by ${engine.name} ${engine.version}${threads}`;
  });
  return `${parts.join(', ')}; ${[...new Set(engines)].join('; ')}; ${startedAt.slice(0, 10)}`;
}

/** The answer with what it depends on and what would mend it. */
export function answerSentence(answer: Answer): string {
  const { misbilledShare, mend } = answer;
  if (misbilledShare?.verdict !== 'non-uniform') return claimSentence(answer);
  const parts = [claimSentence(answer), driversSentence(answer), mend && mendSentence(mend)];
  return parts.filter((part) => part !== null).join(' ');
}

/** Whether tokens track the work of these models' requests. */
export function claimSentence({ metric, misbilledShare: found, models }: Answer): string {
  if (metric === null || found === null)
    return 'Whether tokens track work is not known: no work was measured.';
  const name = metricName(metric);
  const whose = models.map(({ id }) => id).join(' and ');
  if (found.value === null)
    return `Whether tokens track the ${name} of ${whose} is not known: ${found.reason}.`;
  const share = formatEstimate(found, shares);
  const floor = found.noiseFloor === null ? '' : ` (noise alone: ${percent(found.noiseFloor)})`;
  if (found.verdict === 'not distinguishable') {
    // Of a sample of few cells there is no interval.
    const most = found.high === null ? '' : `, ${percent(found.high)} at most`;
    return (
      `Tokens track the ${name} of ${whose} as well as can be told: ${percent(found.value)} of a per-token bill ` +
      `seems to land on the wrong requests${most}${floor}.`
    );
  }
  if (found.verdict === 'negligible') {
    return (
      `Tokens track the ${name} of ${whose}: ${share} of a per-token bill lands on the wrong requests, ` +
      `less than the 1% worth naming.`
    );
  }
  const said = `${share} of a per-token bill lands on the wrong requests${floor}`;
  if (found.verdict === null) {
    return `Of ${whose}, by ${name}, ${said}; how much of it is noise is not known: ${found.reason}.`;
  }
  return `Tokens do not track the ${name} of ${whose}: ${said}.`;
}

export function driversSentence({ drivers }: Answer): string | null {
  return drivers.length === 0 ? null : `It depends mostly on ${drivers.map(factorName).join(' and ')}.`;
}

/** `Output tokens at 2.5 × the input price would leave 3.2%.` */
export function mendSentence({ tariff, prices, misbilledShare }: Mend): string {
  const [only] = prices;
  const fee = tariff === 'inputOutputFee' ? ' and a fee per request' : '';
  const list =
    prices.length === 1 && only!.inputPerToken > 0
      ? `Output tokens at ${formatNumber(only!.outputPerToken / only!.inputPerToken)}× the price of input tokens${fee}`
      : `A price for input, one for output tokens${fee}`;
  return `${list} would leave ${percent(misbilledShare)}.`;
}

/** `prefill 195 tokens/s, decode 74 tokens/s`. */
export function speedWords({ speed: { prefill, decode } }: AnsweredModel): string {
  return `prefill ${rateWords(prefill)}, decode ${rateWords(decode)} (medians over cells)`;
}

/** `74.2 tokens/s`. */
export function rateWords({ value, reason }: Figure): string {
  return value === null ? `not known (${reason})` : `${formatNumber(value)} tokens/s`;
}

/** `1198 CPU-ms per request, 6532 per 1,000 billed tokens (5170–12200 by cell)`. */
export function costWords(cost: Cost): string {
  const { unit, perRequest, perThousandTokens, byCell } = costFigures(cost);
  const range = byCell === null ? '' : ` (${byCell})`;
  return `${perRequest} ${unit} per request, ${perThousandTokens} per 1,000 tokens${range}`;
}

/** A cost's figures in one unit. */
export function costFigures({ metric, unit, perRequest, perThousandTokens, cheapest, dearest }: Cost) {
  const names: Record<string, { name: string; per: number }> = {
    cpuTime: { name: 'CPU-ms', per: 1e6 },
    gpuTime: { name: 'GPU-ms', per: 1e6 },
    energy: { name: 'J', per: 1 },
  };
  const { name, per } = names[metric] ?? { name: unit, per: 1 };
  const shown = (value: number) => formatNumber(value / per);
  return {
    unit: name,
    perRequest: shown(perRequest),
    perThousandTokens: shown(perThousandTokens),
    byCell: cheapest < dearest ? `${shown(cheapest)}–${shown(dearest)} by cell` : null,
  };
}

/** `pays 1.37× what it costs: 256-token prompt, 8-token answer`. */
export function subsidyWords(subsidy: NamedSubsidy, answer: Pick<Answer, 'models'>): string {
  return `${payerWords(subsidy, answer)}, pays ${formatNumber(subsidy.paysTimesItsCost)}× what it costs`;
}

/** The request that pays, in words; with its model where there are several. */
export function payerWords({ of }: NamedSubsidy, { models }: Pick<Answer, 'models'>): string {
  return `${models.length > 1 ? `${of.model}: ` : ''}${cellInWords(of)}`;
}

/** What to do next, as sentences without the commands that this result's path belongs into. */
export function nextSentences({ next }: Answer): string[] {
  const sentences: Record<NextStep, string> = {
    resume: 'Finish the run: bench --resume.',
    'quiet-machine': 'Measure on a machine with nothing else to do.',
    repeat: `Repeat each cell ${verdictRepetitions} times (--repetitions ${verdictRepetitions}), for verdicts of diff.`,
    'real-model': 'Measure your own model: --model FILE.gguf, a folder or hf:OWNER/NAME.',
  };
  return next.map((step) => sentences[step]);
}
