import type { Findings } from '../../analysis/findings.js';
import type { StageEffect } from '../../analysis/stages/effects.js';
import type { StageFindings } from '../../analysis/stages/findings.js';
import type { Waterfall } from '../../analysis/stages/waterfall.js';
import type { WorkMetric } from '../../core/metrics.js';
import { formatCount, formatEstimate, percent, shares } from './format.js';
import { metricName } from './names.js';

/** A component by its name in the debate, with the stage's own where it says more. */
export function stageName({ name, component }: Pick<StageEffect, 'name' | 'component'>): string {
  const said = component.toLowerCase();
  return said.includes(name.toLowerCase()) ? component : `${component}: ${name}`;
}

/** The metric that the stage table is weighed by; `null` where no stage's work was measured. */
export function stageMetric({ stages }: Findings): WorkMetric | null {
  return stages.some(({ shareOfWork }) => shareOfWork !== null) ? stages[0]!.metric : null;
}

/** Sentences on the work that no bill shows, and the misbilled share without the stage that adds most. */
export function hiddenWorkSentences(findings: Findings): string[] {
  const metric = stageMetric(findings);
  const hidden = metric === null ? undefined : findings.hiddenWork[metric];
  if (metric === null || hidden === undefined) return [];
  const name = metricName(metric);
  if (hidden.value === null) return [`How much ${name} no bill shows is not known: ${hidden.reason}.`];
  const { visibilityScore } = hidden;
  const score =
    visibilityScore === null
      ? ''
      : ` The visibility score is ${percent(visibilityScore)}: so much of all ${name} moves a field of usage.`;
  // Below half a percent it is what the two estimates leave to rounding.
  const between = visibilityScore === null ? 0 : 1 - hidden.value - visibilityScore;
  const rest =
    between < 0.005
      ? ''
      : ` The ${percent(between)} between them is of stages that a bill shows, and moves no field: what they cost regardless of their tokens, and what varies beside the count of them.`;
  return [
    `${formatEstimate(hidden, shares)} of all ${name} is hidden work, which no bill shows.${score}${rest}`,
    ...withoutWorstStage(findings, metric, hidden.misbilling?.byStage ?? []),
  ];
}

function withoutWorstStage(
  { uniformity, stages }: Findings,
  metric: WorkMetric,
  misbilling: NonNullable<StageFindings['hiddenWork']['misbilling']>['byStage'],
): string[] {
  const whole = uniformity[metric]?.misbilledShare;
  if (whole?.value == null || whole.verdict !== 'non-uniform') return [];
  const hidden = new Set(stages.filter(({ visibility }) => visibility === 'none').map(({ name }) => name));
  const worst = misbilling
    .filter(({ stage, contribution }) => hidden.has(stage) && (contribution ?? 0) > 0)
    .sort((a, b) => b.contribution! - a.contribution!)[0];
  if (worst?.without.value == null || worst.contribution! < 0.005) return [];
  const noise = worst.without.verdict === 'not distinguishable' ? ', which noise alone could give' : '';
  return [
    `Without ${worst.stage} the misbilled share would be ${formatEstimate(worst.without, shares)}${noise}, in place of ${percent(whole.value)}.`,
  ];
}

/** Whether the books balance. */
export function ledgerSentences({ ledger }: Findings): { balanced: string[]; violated: string[] } {
  const violated = ledger.violations.map(
    ({ rule, requests, example }) =>
      `The ledger does not balance: that ${rule} fails in ${formatCount(requests, 'case')} (${example}).`,
  );
  if (ledger.requests === 0 || violated.length > 0) return { balanced: [], violated };
  const metrics = ledger.metrics.map(metricName).join(', ');
  const inWhat = metrics === '' ? 'tokens' : `tokens, ${metrics}`;
  return {
    balanced: [`The stages of ${formatCount(ledger.requests, 'request')} add up to the whole, in ${inWhat}.`],
    violated,
  };
}

/** The cell whose requests are worth most per billed token: the waterfall to look at first. */
export function farthestWaterfall({ waterfalls, workload }: Findings): Waterfall | null {
  const times = ({ effective, billed }: Waterfall) => (effective ?? 0) / (billed || 1);
  const cells = waterfalls.slice(workload.models.length);
  const candidates = (cells.length > 0 ? cells : waterfalls).filter(({ effective }) => effective !== null);
  return candidates.sort((a, b) => times(b) - times(a))[0] ?? null;
}
