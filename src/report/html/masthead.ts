import type { Answer, AnsweredModel, NamedSubsidy } from '../../analysis/answer/answer.js';
import {
  claimSentence,
  costFigures,
  driversSentence,
  machineWords,
  mendSentence,
  modelWords,
  nextSentences,
  payerWords,
  rateWords,
} from '../words/answer.js';
import { capitalized, formatCount, formatEstimate, ratios } from '../words/format.js';
import { recordingNotice } from '../words/recording.js';
import { describeFailures } from '../words/run-findings.js';
import { type Html, html, type Part } from './html.js';
import { type PageContext, sectionId } from './page-context.js';
import { explained } from './words.js';

/** The first screen: whose requests these were, the answer, what they cost, who pays for whom, what is wrong. */
export function masthead(context: PageContext): Html {
  const { answer, result, findings, id } = context;
  const { suite, requests, cells } = answer;
  const failed = findings.workload.failed > 0 ? `, ${findings.workload.failed} more failed` : '';
  const next = nextSentences(answer);
  const drivers = driversSentence(answer);
  return html`<header class="masthead">
<p class="kicker">${answer.models.map((model) => html`<strong>${modelWords(model, answer)}</strong><br>`)}${machineWords(answer)}; suite ${suite}, ${formatCount(requests, 'request')} in ${formatCount(cells, 'cell')}${failed}</p>
<h1>${explained(claimSentence(answer))}</h1>
${drivers !== null && html`<p class="lede">${drivers}</p>`}
${answer.models.map((model) => stats(model, answer))}
${whoPays(answer)}
${notices(result, sectionId('warnings', id))}
${next.length > 0 && html`<p class="next"><strong>To know more:</strong> ${next.join(' ')}</p>`}
</header>`;
}

/** What a model's requests cost, and how fast they were. */
function stats({ id, costs, speed }: AnsweredModel, { models }: Answer): Part {
  const figures = costs.map(costFigures);
  const cards = [
    ...(figures.length === 0
      ? []
      : [
          costCard('A request costs', figures, ({ perRequest }) => perRequest, 'in the mean'),
          costCard(
            '1,000 billed tokens cost',
            figures,
            ({ perThousandTokens }) => perThousandTokens,
            figures[0]!.byCell,
          ),
        ]),
    ...(speed.decode.value === null
      ? []
      : [
          {
            name: 'It answers at',
            figure: rateWords(speed.decode),
            more: `and reads a prompt at ${rateWords(speed.prefill)}`,
          },
        ]),
  ];
  if (cards.length === 0) return null;
  return html`${models.length > 1 && html`<h2 class="of">${id}</h2>`}<dl class="stats">${cards.map(
    ({ name, figure, more }) =>
      html`<div><dt>${explained(name)}</dt><dd>${figure}<small>${more}</small></dd></div>`,
  )}</dl>`;
}

type CostFigures = ReturnType<typeof costFigures>;

/** The leading cost large, the others below it. */
function costCard(
  name: string,
  [first, ...others]: readonly CostFigures[],
  of: (figures: CostFigures) => string,
  note: string | null,
) {
  const shown = (figures: CostFigures) => `${of(figures)} ${figures.unit}`;
  return {
    name,
    figure: shown(first!),
    more: [...(note === null ? [] : [note]), ...others.map(shown)].join('; '),
  };
}

/** The cells farthest from paying what they cost, and the price list that would mend it; nothing where all pay. */
function whoPays(answer: Answer): Part {
  const { overpays, underpays, mend, misbilledShare } = answer;
  if (overpays === null && underpays === null && mend === null) return null;
  const mended =
    mend !== null
      ? mendSentence(mend)
      : misbilledShare?.verdict === 'non-uniform' &&
        'No price list of an input price, an output price and a fee would halve it.';
  return html`<dl class="pays">
${payer('over', 'Overpays most', overpays, answer)}
${payer('under', 'Underpays most', underpays, answer)}
${mended && html`<div><dt>What would mend it</dt><dd>${mended}</dd></div>`}
</dl>`;
}

function payer(side: 'over' | 'under', name: string, subsidy: NamedSubsidy | null, answer: Answer): Part {
  if (subsidy === null) return null;
  const { paysTimesItsCost: value, low, high } = subsidy;
  return html`<div class="${side}"><dt>${name}</dt><dd>pays <b>${explained(formatEstimate({ value, low, high }, ratios))}</b> its cost<small>${capitalized(payerWords(subsidy, answer))}</small></dd></div>`;
}

function notices(result: PageContext['result'], warningsId: string): Html {
  const { run, requests, warnings } = result;
  const lines: Part[] = [
    ...(run.complete
      ? []
      : [`The run was cut short: ${requests.length} of ${run.plannedRequests} planned requests were run.`]),
    ...describeFailures(result),
    recordingNotice(result),
    warnings.length > 0 && html`<a href="#${warningsId}">${formatCount(warnings.length, 'warning')}</a>`,
  ].filter(Boolean);
  return html`${lines.length > 0 && html`<div class="notice">${lines.map((line) => html`<p>${line}</p>`)}</div>`}`;
}
