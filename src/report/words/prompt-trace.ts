import { type PromptCost, type WorkPart, workParts } from '../../analysis/stages/prompt-cost.js';
import type { PromptTrace } from '../../analysis/stages/prompt-trace.js';
import { metricOf, type WorkMetric } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { formatCount, formatEstimate, formatTokens, inUnit, percent, unitFor } from './format.js';
import { metricName } from './names.js';

/** Parts that a sentence names; smaller ones stand in the waterfall. */
const partsNamed = 3;
const smallestNamed = 0.01;

/** Four lines on a prompt: time, speed, work, and where it went. */
export function promptLines(trace: PromptTrace, result: Pick<Result, 'metrics'>): string[] {
  const { cost } = trace;
  return [
    `${milliseconds(cost.latency)} from the prompt to the end of the answer; ${milliseconds(cost.firstToken)} to its first token.`,
    speedLine(cost),
    `${workFigures(cost)} of work; ${energyWords(cost, result)}.`,
    whereLine(trace),
  ];
}

function milliseconds(ns: PromptCost['latency'], what = ''): string {
  return formatEstimate(ns, inUnit({ name: `${what}ms`, per: 1e6 }));
}

function speedLine({ tokensPerSecond, completionTokens }: PromptCost): string {
  if (tokensPerSecond === null) return 'An answer of 1 token has no tokens/s.';
  const rate = formatEstimate(tokensPerSecond, inUnit({ name: 'tokens/s', per: 1 }));
  return `${rate} while it writes its answer of ${formatCount(completionTokens, 'token')}.`;
}

function workFigures({ cpuTime, gpuTime }: PromptCost): string {
  const figures = [gpuTime && milliseconds(gpuTime, 'GPU-'), cpuTime && milliseconds(cpuTime, 'CPU-')];
  return figures.filter((figure) => figure !== null).join(' and ') || 'An unknown time';
}

function energyWords({ energy }: PromptCost, { metrics }: Pick<Result, 'metrics'>): string {
  const { scale, label } = metricOf('energy');
  if (energy !== null) {
    return `${formatEstimate(energy, inUnit(unitFor(energy.value, scale)))} of ${label} (${metrics.energy?.method})`;
  }
  return metrics.energy?.provenance === 'unavailable'
    ? `${label} is not measured here (\`tokenwork doctor\` says why)`
    : `too short for its ${label} to be read (--energy repeats it until it can)`;
}

function whereLine({ waterfall, metric }: PromptTrace): string {
  const where = workParts(waterfall);
  if (where === null) return `Where its ${metricName(metric)} went is not known: a stage was not measured.`;
  const named = where.parts.filter(
    ({ share }, index) => index < partsNamed && (index === 0 || share >= smallestNamed),
  );
  const parts = named.map(partWords).join(', ');
  return `${parts}; ${percent(where.hidden)} of its ${metricName(metric)} is on no bill.`;
}

function partWords({ component, share }: WorkPart, index: number): string {
  return `${percent(share)}${index === 0 ? ' is' : ''} ${component.toLowerCase()}`;
}

/** The largest part in short, for a row of a table. */
export function largestPart({ waterfall }: PromptTrace): string {
  const first = workParts(waterfall)?.parts[0];
  return first === undefined ? '' : `${percent(first.share)} ${first.component.toLowerCase()}`;
}

/** `1.1 to 14.4`: what a billed token of each prompt is worth, in plain tokens; one number where all agree. */
export function worthRange(traces: readonly PromptTrace[]): string {
  const times = traces.map(({ effective, waterfall }) => effective.value / waterfall.billed);
  const [low, high] = [formatTokens(Math.min(...times)), formatTokens(Math.max(...times))];
  return low === high ? low : `${low} to ${high}`;
}

/** The plain token with its unit, model and reference request. */
export function plainTokenSentence(
  { plainToken, metric, reference }: Pick<PromptTrace, 'plainToken' | 'metric' | 'reference'>,
  model: string,
): string {
  return `A plain token is ${amount(plainToken, metric)} of ${metricName(metric)}: a billed token of the reference request, ${reference.promptTokens} + ${reference.completionTokens} tokens with nothing hidden, on ${model} in the same run.`;
}

function amount(figure: PromptTrace['plainToken'], metric: WorkMetric): string {
  const { scale } = metricOf(metric);
  return formatEstimate(figure, inUnit(unitFor(figure.value, scale)));
}

/** The model of a trace as it ran: `smollm2-135m (q4, onnx on cpu)`. */
export function tracedModel({ models }: Pick<Result, 'models'>, id: string): string {
  const model = models.find((own) => own.id === id);
  return model === undefined ? id : `${id} (${model.dtype}, ${model.engine.name} on ${model.engine.device})`;
}
