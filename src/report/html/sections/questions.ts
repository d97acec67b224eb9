import type { Answer, AnsweredQuestion } from '../../../analysis/questions/answers.js';
import { answersTable } from '../../tables/stages.js';
import { answerFigure, answerName, answerSentence, comparison } from '../../words/answers.js';
import { renderChart } from '../chart.js';
import { type Html, html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';

/** The questions that the suite was made to answer, with the answers in words and drawn. */
export function questionsSection({ findings, id }: PageContext): Section | null {
  const { questions } = findings;
  if (questions.length === 0) return null;
  return {
    name: 'questions',
    short: 'Questions',
    title: 'What the suite asked, and what the run answers',
    body: html`${questions.map(
      (question, index) => html`<h4>${question.text}</h4>
${
  question.reason === undefined
    ? html`<ul>${question.answers.map((answer) => html`<li>${answerSentence(question, answer)}</li>`)}</ul>
${statistics.map((statistic) => answersChart(question, statistic, id(`question-${index + 1}-${statistic}`)))}`
    : html`<p class="absent">Not known: ${question.reason}.</p>`
}`,
    )}`,
  };
}

const statistics = ['mean', 'variation', 'hiddenShare'] as const;

/** A row per answer with its interval, beside the line where there is no difference. */
function answersChart(question: AnsweredQuestion, statistic: Answer['statistic'], id: string): Html | null {
  const known = question.answers.filter((answer) => answer.statistic === statistic && answer.value !== null);
  const [first] = known;
  if (first === undefined) return null;
  const isRatio = statistic !== 'hiddenShare';
  const label = comparison(question, first);
  return renderChart({
    id,
    label,
    spec: {
      kind: 'rows',
      style: 'dot',
      axis: { name: label, unit: isRatio ? '×' : 'ratio', scale: isRatio ? 'log' : 'linear' },
      origin: { value: isRatio ? 1 : 0, text: 'no difference' },
      rows: known.map((answer) => ({
        label: answerName(question, answer),
        value: answer.value!,
        low: answer.low,
        high: answer.high,
        tone:
          answer.verdict === 'more' || answer.verdict === 'less' ? ('accent' as const) : ('muted' as const),
        text: answerFigure(answer),
      })),
    },
    table: answersTable(question, known).columns,
  });
}
