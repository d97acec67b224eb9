import type { StageEffect } from '../../../analysis/stage-effects.js';
import { dash, formatNumber, formatPercent } from '../../format.js';
import { metricName } from '../../metric-name.js';
import { renderChart } from '../chart.js';
import { html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable, numberColumn, textColumn } from '../table.js';

const billing = { full: 'yes', partial: 'in part', none: 'no' } as const;

/** Where the work goes, stage by stage, and whether the bill shows it. */
export function stagesSection({ findings, id }: PageContext): Section | null {
  const { stages } = findings;
  if (stages.length === 0) return null;
  const weighed = stages.filter(({ shareOfWork }) => shareOfWork !== null);
  const metric = metricName(weighed[0]?.metric ?? '');
  const unseen = weighed
    .filter(({ visibility }) => visibility === 'none')
    .reduce((sum, { shareOfWork }) => sum + shareOfWork!, 0);
  return {
    name: 'stages',
    short: 'Stages',
    title: 'Where the work goes, stage by stage',
    lead:
      weighed.length > 0 &&
      `${formatPercent(unseen)} of the ${metric} of all stages is spent where no field of the bill moves.`,
    body: html`${
      weighed.length > 0 &&
      renderChart({
        id: id('stages-waterfall'),
        label: `Shares of ${metric} by stage`,
        caption: html`Blue: on the bill; orange: not on the bill at all; grey: on some bills.`,
        spec: {
          kind: 'waterfall',
          axis: { name: `share of all ${metric}`, unit: 'ratio' },
          total: 'All stages',
          steps: weighed.map(({ name, shareOfWork, visibility }) => ({
            label: name,
            amount: shareOfWork!,
            tone: ({ full: 'accent', partial: 'muted', none: 'warm' } as const)[visibility],
            text: formatPercent(shareOfWork),
          })),
        },
        table: [
          textColumn(
            'stage',
            weighed.map(({ name }) => name),
          ),
          numberColumn(
            'share of work',
            weighed.map(({ shareOfWork }) => formatPercent(shareOfWork)),
          ),
        ],
      })
    }${htmlTable(
      [
        textColumn(
          'stage',
          stages.map(({ name }) => name),
        ),
        textColumn(
          'on the bill',
          stages.map(({ visibility }) => billing[visibility]),
        ),
        numberColumn('effective tokens', stages.map(range), 'p5 – p95'),
        numberColumn(
          'of them fixed',
          stages.map(({ fixedEffectiveTokens }) => tokens(fixedEffectiveTokens)),
        ),
        numberColumn(
          'share of work',
          stages.map(({ shareOfWork }) => formatPercent(shareOfWork)),
        ),
        textColumn(
          'why not known',
          stages.map(({ reason }) => reason ?? ''),
        ),
      ].filter(({ values }) => values.some((value) => value !== '')),
      'Stages',
    )}`,
  };
}

function range({ rangeEffectiveTokens }: StageEffect): string {
  return rangeEffectiveTokens === null ? dash : rangeEffectiveTokens.map(tokens).join(' – ');
}

function tokens(value: number | null): string {
  return formatNumber(value === null ? null : Number(value.toFixed(1)));
}
