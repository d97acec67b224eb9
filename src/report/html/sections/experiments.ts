import { answerSentence } from '../../experiment-words.js';
import { html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';

/** The questions that the suite was made to answer, with the answers. */
export function experimentsSection({ findings }: PageContext): Section | null {
  const { experiments } = findings;
  if (experiments.length === 0) return null;
  return {
    name: 'experiments',
    short: 'Questions',
    title: 'What the suite asked, and what the run answers',
    body: html`${experiments.map(
      (experiment) => html`<h3>${experiment.text}</h3>
${
  experiment.reason === undefined
    ? html`<ul>${experiment.answers.map((answer) => html`<li>${answerSentence(experiment, answer)}</li>`)}</ul>`
    : html`<p class="absent">Not known: ${experiment.reason}.</p>`
}`,
    )}`,
  };
}
