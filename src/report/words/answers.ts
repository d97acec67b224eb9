import type { Answer, AnsweredQuestion } from '../../analysis/questions/answers.js';
import { metricOf } from '../../core/metrics.js';
import { capitalized, dash, formatEstimate, formatNumber, percent, points, ratios } from './format.js';
import { factorName, metricName } from './names.js';

const verdicts: Record<
  AnsweredQuestion['answers'][number]['statistic'],
  Record<NonNullable<Answer['verdict']>, string>
> = {
  mean: { more: 'dearer', less: 'cheaper', same: 'the same', '~': 'no difference shown' },
  variation: {
    more: 'less predictable',
    less: 'more predictable',
    same: 'as predictable',
    '~': 'no difference shown',
  },
  hiddenShare: { more: 'more hidden', less: 'less hidden', same: 'the same', '~': 'no difference shown' },
};

/** An answer's verdict in words; a dash where there is none. */
export function verdictWords({ statistic, verdict }: Answer): string {
  return verdict === null ? dash : verdicts[statistic][verdict];
}

/** `9.3× [9.1–9.5]`, or in points of share `+12 points [+10 to +14]`. */
export function answerFigure(answer: Answer): string {
  return formatEstimate(answer, answer.statistic === 'hiddenShare' ? points : ratios);
}

/** `At equal billed tokens, cache = miss costs 9.3× [9.1–9.5] the CPU time of cache = hit.` */
export function answerSentence(question: AnsweredQuestion, answer: Answer): string {
  const level = levelName(question.factor, answer.level);
  const baseline = levelName(question.factor, question.baseline);
  const where = Object.entries(answer.by).map(([factor, value]) => levelName(factorName(factor), value));
  const at = where.length === 0 ? '' : `With ${where.join(', ')}: `;
  const subject = amountName(question);
  if (answer.value === null && answer.statistic === 'variation' && answer.atLevel !== answer.atBaseline) {
    const varies = (value: number | null) =>
      value === null ? 'by no more than noise' : `with a coefficient of variation of ${formatNumber(value)}`;
    return capitalized(
      `${at}${subject} of ${level} varies ${varies(answer.atLevel)} over the cells, that of ${baseline} ${varies(answer.atBaseline)}.`,
    );
  }
  if (answer.value === null) {
    return capitalized(
      `${at}how ${subject} of ${level} compares with ${baseline} is not known: ${answer.reason}.`,
    );
  }
  const bill = answer.equalBill && question.per === 'request' ? 'at equal billed tokens, ' : '';
  const unsure =
    answer.low === null
      ? ` (${answer.reason})`
      : answer.verdict === '~'
        ? ', which noise alone could give'
        : '';
  const figure = answerFigure(answer);
  const sentence = {
    mean: () => `${level} ${verb(question)} ${figure} the ${subject} of ${baseline}${unsure}`,
    variation: () =>
      `${subject} of ${level} varies ${figure} as much as that of ${baseline} ` +
      `(coefficient of variation ${formatNumber(answer.atLevel)} against ${formatNumber(answer.atBaseline)})` +
      `${answer.verdict === null || answer.verdict === '~' ? unsure : `: it is ${verdictWords(answer)}`}`,
    hiddenShare: () =>
      `${percent(answer.atLevel ?? 0)} of the ${metricName(question.metric)} of ${level} is hidden, against ` +
      `${percent(answer.atBaseline ?? 0)} with ${baseline}${answer.low === null ? '' : `: ${figure}`}${unsure}`,
  }[answer.statistic]();
  return capitalized(`${at}${bill}${sentence}.`);
}

/** The compared thing, in words. */
function amountName({ metric, per }: Pick<AnsweredQuestion, 'metric' | 'per'>): string {
  const { longName, label } = metricOf(metric);
  const name = longName ?? label;
  return per === 'request' ? name : `${name} per ${per === 'sequence' ? 'sequence' : 'billed token'}`;
}

/** An answer's level with those of the other factors: `cache miss, output length 16`. */
export function answerName(question: AnsweredQuestion, { level, by }: Answer): string {
  const where = Object.entries(by).map(([factor, value]) => levelName(factorName(factor), value));
  return [levelName(question.factor, level), ...where].join(', ');
}

/** Meaning of a column of answers: `CPU time ÷ that of cache hit`. */
export function comparison(question: AnsweredQuestion, { statistic }: Answer): string {
  const baseline = levelName(question.factor, question.baseline);
  const amount = amountName(question);
  if (statistic === 'hiddenShare')
    return `hidden share of ${metricName(question.metric)} − that of ${baseline}`;
  return `${statistic === 'variation' ? 'variation of ' : ''}${amount} ÷ that of ${baseline}`;
}

/** Times are taken and work is cost. */
function verb({ metric }: AnsweredQuestion): string {
  return metricOf(metric).kind === 'latency' ? 'takes' : 'costs';
}

/** A level with its factor; a word alone where it names itself. */
function levelName(factor: string, level: AnsweredQuestion['baseline']): string {
  if (level === true) return factor;
  if (level === false) return `no ${factor}`;
  return `${factor} ${level}`;
}
