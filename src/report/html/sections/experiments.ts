import type { Answer, Experiment } from '../../../analysis/questions/answers.js';
import { answersTable } from '../../tables/stages.js';
import { answerFigure, answerName, answerSentence, comparison } from '../../words/answers.js';
import { renderChart } from '../chart.js';
import { type Html, html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';

/** The questions that the suite was made to answer, with the answers in words and drawn. */
export function experimentsSection({ findings, id }: PageContext): Section | null {
  const { experiments } = findings;
  if (experiments.length === 0) return null;
  return {
    name: 'experiments',
    short: 'Questions',
    title: 'What the suite asked, and what the run answers',
    body: html`${experiments.map(
      (experiment, index) => html`<h3>${experiment.text}</h3>
${
  experiment.reason === undefined
    ? html`<ul>${experiment.answers.map((answer) => html`<li>${answerSentence(experiment, answer)}</li>`)}</ul>
${statistics.map((statistic) => answersChart(experiment, statistic, id(`question-${index + 1}-${statistic}`)))}`
    : html`<p class="absent">Not known: ${experiment.reason}.</p>`
}`,
    )}`,
  };
}

const statistics = ['mean', 'variation', 'hiddenShare'] as const;

/** A row per answer with its interval, beside the line where there is no difference. */
function answersChart(experiment: Experiment, statistic: Answer['statistic'], id: string): Html | null {
  const known = experiment.answers.filter(
    (answer) => answer.statistic === statistic && answer.value !== null,
  );
  const [first] = known;
  if (first === undefined) return null;
  const isRatio = statistic !== 'hiddenShare';
  const label = comparison(experiment, first);
  return renderChart({
    id,
    label,
    spec: {
      kind: 'rows',
      style: 'dot',
      axis: { name: label, unit: isRatio ? '×' : 'ratio', scale: isRatio ? 'log' : 'linear' },
      origin: { value: isRatio ? 1 : 0, text: 'no difference' },
      rows: known.map((answer) => ({
        label: answerName(experiment, answer),
        value: answer.value!,
        low: answer.low,
        high: answer.high,
        tone: toneOf(answer),
        text: answerFigure(answer),
      })),
    },
    table: answersTable(experiment, known).columns,
  });
}

function toneOf({ verdict }: Answer): 'warm' | 'good' | 'muted' {
  if (verdict === 'more') return 'warm';
  return verdict === 'less' ? 'good' : 'muted';
}
