import type { CostCard } from '../../analysis/card/cost-card.js';
import type { EffectiveTokens } from '../../analysis/effective-tokens.js';
import type { Findings } from '../../analysis/findings.js';
import { leadingMetric } from '../../analysis/findings.js';
import { canBeAsked } from '../../analysis/uniformity/tariff.js';
import type { WorkMetric } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { batchesTable, figureName, lengthsTable, plainTokenTable } from '../tables/costs.js';
import { provenanceTable } from '../tables/run.js';
import { componentsTable, hiddenWorkTable, stagesTable } from '../tables/stages.js';
import { pickColumns } from '../tables/table.js';
import { effectiveTokensTable, uniformityTable } from '../tables/uniformity.js';
import { answerSentence } from '../words/answers.js';
import { bar } from '../words/bar.js';
import { formatWithUnit, percent } from '../words/format.js';
import { headline } from '../words/headline.js';
import { cellName, metricName } from '../words/names.js';
import { recordingNotice } from '../words/recording.js';
import { setting } from '../words/setting.js';
import { hiddenWorkSentences, ledgerSentences, stageMetric } from '../words/stages.js';
import { markdownCode, markdownTable, markdownText } from './table.js';

/**
 * A cost card as Markdown: one page on what tokens of a model cost on a machine. Its picture is made of
 * characters, as the usual hosts of Markdown take SVG out.
 */
export function renderCostCard(card: CostCard, findings: Findings, result: Result): string {
  const { model, hardware, measuredAt } = card;
  const sections = [
    `# What tokens of ${markdownText(model.id)} cost`,
    `**${markdownText(model.dtype ?? 'Unknown dtype')} on ${markdownText(hardware.cpu.brand)}${hardware.gpus.map((gpu) => `, ${markdownText(gpu.model)}`).join('')}**, measured on ${markdownText(measuredAt.slice(0, 10))} with tokenwork ${markdownText(card.reproduce.version)}`,
    `> ${markdownText(headline(findings))}`,
    ...plainToken(card),
    ...changes(card, findings),
    ...fairness(findings),
    ...stageMarkdown(findings),
    ...method(card, result),
    ...reproduction(card),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function plainToken({ plainToken: costs, plainTokenCell: cell, workload }: CostCard): string[] {
  const known = costs.filter(({ value }) => value !== null);
  const missing = costs.filter(({ value }) => value === null);
  const [first] = missing;
  const reference =
    'The plain token is a billed token of the reference request: 128 prompt and 128 completion tokens, alone, nothing hidden, nothing cached';
  return [
    '## A plain token',
    cell === null
      ? `${reference}. This run has none: ${markdownText(first?.reason ?? 'it was not measured')}.`
      : `${reference} (cell ${markdownText(cellName(cell, workload.models))}).`,
    known.length === 0 ? '' : markdownTable(plainTokenTable(known).columns),
    cell === null || missing.length === 0
      ? ''
      : `Not measured: ${missing.map(({ figure, reason }) => markdownText(`${figureName(figure)} (${reason})`)).join(', ')}.`,
  ];
}

function changes({ changes: found }: CostCard, findings: Findings): string[] {
  if (found === null) return [];
  const { metric, unit, plain, byLength, byBatch } = found;
  const name = metricName(metric);
  const as = plain === null ? 'per billed token' : 'per billed token, in plain tokens';
  const effective = findings.effectiveTokens?.[metric] ?? [];
  return [
    `## How that changes, by ${name}`,
    prices(findings),
    ...(byLength === null
      ? []
      : [
          `Cost ${as}, by length of the request:`,
          markdownTable(lengthsTable(byLength, { plain, unit }).columns),
        ]),
    ...(byBatch.length === 0
      ? []
      : [
          'Cost per billed token in a batch, over the smallest one:',
          markdownTable(batchesTable(byBatch).columns),
        ]),
    ...(effective.length < 2
      ? []
      : ['What requests would be billed, were tokens work:', effectiveTable(effective, findings, metric)]),
  ];
}

/** The price list that the work itself would set: of those without a negative price, the one that explains most. */
function prices(findings: Findings): string {
  const { tariffs, rSquared, unit } = findings.uniformity[leadingMetric(findings)!]!;
  const [best] = (['inputOutputFee', 'inputOutput'] as const)
    .flatMap((tariff) => {
      const [own] = tariffs[tariff]?.prices ?? [];
      const explained = rSquared[tariff].value;
      return own === undefined || explained === null ? [] : [{ tariff, own, explained }];
    })
    .filter(({ own }) => canBeAsked(own))
    .sort((a, b) => b.explained - a.explained);
  if (best === undefined) return '';
  const { inputPerToken, outputPerToken, perRequest } = best.own;
  const list = [
    `${formatWithUnit(inputPerToken, unit)} an input token`,
    `${formatWithUnit(outputPerToken, unit)} an output token`,
    ...(best.tariff === 'inputOutputFee' ? [`${formatWithUnit(perRequest, unit)} a request`] : []),
  ];
  const one = rSquared.oneRate.value;
  return (
    `Fitted to the work, a price list would be ${list.join(', ')}. It explains ` +
    `${percent(best.explained)} of the differences between requests that it was not fitted to` +
    `${one === null ? '' : `; one price per token explains ${one < 0 ? 'none' : percent(one)}`}.`
  );
}

/** More cells than this are shown by their cheapest and dearest. */
const mostCells = 12;
const barWidth = 20;

function effectiveTable(cells: readonly EffectiveTokens[], findings: Findings, metric: WorkMetric): string {
  const ratio = ({ billed, effective }: EffectiveTokens) => effective / billed;
  const sorted = [...cells].sort((a, b) => ratio(a) - ratio(b));
  const half = mostCells / 2;
  const shown = sorted.length <= mostCells ? sorted : [...sorted.slice(0, half), ...sorted.slice(-half)];
  const longest = Math.max(...shown.map(ratio));
  const bars = shown.map((cell) => bar(ratio(cell) / longest, barWidth));
  const table = markdownTable([
    ...effectiveTokensTable(shown, findings, metric).columns,
    { header: ['', ''], text: bars, align: 'left', priority: 0 },
  ]);
  const cut = shown.length < sorted.length ? `\n\nThe ${half} cheapest and dearest of ${sorted.length}.` : '';
  return table + cut;
}

function fairness(findings: Findings): string[] {
  if (leadingMetric(findings) === null) return [];
  // The card is for readers of a model's page, who want the verdict and no more statistics than bear it.
  const statistics = ['cv_token', 'p95_p5_token', 'max_med_token', 'gini'];
  const columns = uniformityTable(findings).columns.filter(({ id }) => !statistics.includes(id));
  return [
    '## Whether a per-token bill matches the work',
    'Misbilled: the share of a bill of one price per token that lands on the wrong requests, with its 95% interval, beside what noise alone would give. R²: how much of the work a price list explains, held out by cell. Elasticity: 1 is proportional to tokens.',
    markdownTable(columns),
    markdownText(findings.workload.intervals),
  ];
}

function method({ metrics }: CostCard, result: Result): string[] {
  return [
    '## How it was measured',
    [...setting(result), recordingNotice(result)]
      .filter((line) => line !== null)
      .map((line) => `- ${markdownText(line)}`)
      .join('\n'),
    markdownTable(
      pickColumns(provenanceTable(metrics), [
        'metric',
        'unit',
        'what_it_is',
        'provenance',
        'method',
        'reason',
      ]),
    ),
    ...result.warnings.map(({ message }) => `- Warning: ${markdownText(message)}`),
  ];
}

function reproduction({ reproduce, model }: CostCard): string[] {
  const { command, commit, version, complete, seed } = reproduce;
  const [, revision, changed = ''] = /^([0-9a-f]{7,40})(-dirty)?$/.exec(commit ?? '') ?? [];
  const safe = isOneCall(command);
  return [
    '## How to measure it again',
    `tokenwork ${markdownText(version)}${revision === undefined ? '' : `, commit ${revision}`}${changed === '' ? '' : ' with local changes'}; seed ${seed}${model.sha256 === null ? '' : `; model digest ${markdownText(model.sha256.slice(0, 12))}`}.${complete ? '' : ' The run was cut short.'}${safe ? '' : ' Its command is left out: it is more than a call of tokenwork.'}`,
    markdownCode(
      [
        ...(revision === undefined ? [] : [`git checkout ${revision}`]),
        'npm ci',
        ...(safe ? [`npx ${command}`] : []),
      ].join('\n'),
      'sh',
    ),
  ];
}

/** A reader will paste it into a shell: nothing but words and quoted words may be in it. */
function isOneCall(command: string): boolean {
  return /^tokenwork(?: +(?:[\w.,:/=@%+-]+|'[^'\n]*'))*$/.test(command);
}

/** Findings on a run's stages, as sections of Markdown; none for a result without stages. */
export function stageMarkdown(findings: Findings): string[] {
  const metric = stageMetric(findings);
  const components = metric === null ? null : componentsTable(findings, metric);
  if (metric === null || components === null) return [];
  const { balanced, violated } = ledgerSentences(findings);
  const tables = [hiddenWorkTable(findings), components, stagesTable(findings, metric)];
  return [
    '## Hidden work',
    ...hiddenWorkSentences(findings).map(markdownText),
    ...tables.map((table) => (table === null ? '' : markdownTable(table.columns))),
    ...findings.questions.flatMap((question) => [
      `**${markdownText(question.text)}**`,
      question.reason === undefined
        ? question.answers.map((answer) => `- ${markdownText(answerSentence(question, answer))}`).join('\n')
        : markdownText(`Not known: ${question.reason}.`),
    ]),
    ...[...violated, ...balanced].map(markdownText),
  ];
}
