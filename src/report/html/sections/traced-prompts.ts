import type { PromptTrace } from '../../../analysis/stages/prompt-trace.js';
import { type TracedPrompt, tracedPrompts } from '../../../analysis/stages/traced-prompts.js';
import type { Result } from '../../../core/result.js';
import { promptsTable, tracedStagesTable } from '../../tables/prompts.js';
import { formatCount, formatEstimate, formatTokens } from '../../words/format.js';
import { metricName } from '../../words/names.js';
import { plainTokenSentence, promptLines, tracedModel, worthRange } from '../../words/prompt-trace.js';
import { type Html, html } from '../html.js';
import { type PageContext, type Section, sectionId } from '../page-context.js';
import { htmlTable } from '../table.js';
import { waterfallChart } from './stages.js';

type Traced = TracedPrompt & { trace: PromptTrace };

/** The top of a trace's page: what the prompt is billed and worth, and the four lines on it. */
export function traceMasthead({ result, id }: PageContext): Html {
  const { run, hardware, warnings } = result;
  const prompts = tracedPrompts(result);
  const [first, ...others] = followed(prompts);
  const lines = first !== undefined && others.length === 0 ? promptLines(first.trace, result) : [];
  return html`<header class="masthead">
<p class="kicker">${pipelineOf(prompts)} on ${hardware.id}, ${run.startedAt.slice(0, 10)}</p>
<h1>${first === undefined ? 'No prompt could be followed.' : headline(first, others)}</h1>
${lines.length > 0 && html`<p class="setting">${lines.map((line) => html`${line}<br>`)}</p>`}
${warnings.length > 0 && html`<div class="notice"><p><a href="#${sectionId('warnings', id)}">${formatCount(warnings.length, 'warning')}</a></p></div>`}
</header>`;
}

function followed(prompts: readonly TracedPrompt[]): Traced[] {
  return prompts.filter((prompt): prompt is Traced => prompt.trace !== null);
}

function pipelineOf([first]: readonly TracedPrompt[]): string {
  const pipeline = first?.cell.factors.pipeline;
  return pipeline === undefined ? 'A traced prompt' : `Traced through ${pipeline}`;
}

function headline({ trace }: Traced, others: readonly Traced[]): string {
  const by = metricName(trace.metric);
  if (others.length === 0) {
    return `Billed ${formatTokens(trace.waterfall.billed)} tokens, worth ${formatEstimate(trace.effective)} by ${by}.`;
  }
  const traces = [trace, ...others.map((other) => other.trace)];
  return `A billed token of ${traces.length} prompts is worth ${worthRange(traces)} plain ones, by ${by}.`;
}

/** The waterfall of each prompt, the first drawn at first; then the stages of the only one, or all prompts. */
export function tracedPromptsSection({ result, id }: PageContext): Section | null {
  const prompts = tracedPrompts(result);
  const traced = followed(prompts);
  const failed = prompts.filter(({ trace }) => trace === null);
  const [first] = traced;
  if (first === undefined) return null;
  const { trace } = first;
  const waterfalls = traced.map((prompt) => prompt.trace.waterfall);
  const table =
    traced.length === 1
      ? tracedStagesTable(trace)
      : promptsTable(
          prompts.map((prompt) => ({ ...prompt, excerpt: null })),
          trace.metric,
        );
  return {
    name: 'prompts',
    short: prompts.length === 1 ? 'The prompt' : 'The prompts',
    title: 'From what is billed to what it is worth',
    lead: `${plainTokenSentence(trace, tracedModel(result, first.cell.model))} ${noShare(result)}`,
    body: html`${waterfallChart(waterfalls, ({ of }) => of, id)}${htmlTable(table.columns, table.title)}
${failed.map(({ name, reason }) => html`<p class="notice">${name} failed: ${reason}</p>`)}`,
  };
}

function noShare({ cells }: Pick<Result, 'cells'>): string {
  return `There is no misbilled share: ${formatCount(cells.length - 1, 'prompt')} beside a reference request are no workload that a bill is shared out over.`;
}
