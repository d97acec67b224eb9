import type { Cell } from '../../core/result.js';
import { plainText } from '../../core/text.js';
import { capitalized } from './format.js';

/**
 * Cells in words, by id: `64-token prompt, 8-token answer`, with what else sets them apart. Cells alike in words
 * have the number of their draw behind them, and cells of several models their model before them.
 */
export function cellsInWords(cells: readonly Cell[]): Map<string, string> {
  const models = new Set(cells.map(({ model }) => model));
  const words = cells.map((cell) =>
    plainText(models.size > 1 ? `${cell.model}: ${cellInWords(cell)}` : cellInWords(cell)),
  );
  const count = new Map<string, number>();
  for (const text of words) count.set(text, (count.get(text) ?? 0) + 1);
  return new Map(
    cells.map(({ id }, index) => {
      const text = words[index]!;
      const draw = /\/draw (\d+)$/.exec(id)?.[1];
      return [id, count.get(text)! > 1 && draw !== undefined ? `${text} (draw ${draw})` : text];
    }),
  );
}

/** One cell in words, without its model and without the number of its draw. */
export function cellInWords({ id, factors }: Cell): string {
  const { promptTokens, prompt, promptKind, language, completionTokens, ...rest } = factors;
  const { batch = 1, neighbours, stop, sampling, temperature, topK, pipeline, ...others } = rest;
  if (completionTokens === undefined) return id;
  const asked =
    prompt === undefined
      ? `${promptTokens}-token prompt`
      : `${textPrompt({ prompt, promptKind, language })}${promptTokens === undefined ? '' : ` of ${promptTokens} tokens`}`;
  const answer =
    stop === 'eos' ? `answer of at most ${completionTokens} tokens` : `${completionTokens}-token answer`;
  const words = [
    asked,
    answer,
    ...(batch === 1 ? [] : [`batch of ${batch}${neighbours === 'different' ? ' different prompts' : ''}`]),
    ...(sampling === 'seeded'
      ? [`temperature ${temperature}${topK === undefined ? '' : ` and top ${topK}`}`]
      : []),
    ...(pipeline === undefined || pipeline === 'plain-chat' ? [] : [`through ${pipeline}`]),
    ...Object.entries(others).map(([factor, value]) => factorInWords(factor, value)),
  ];
  return words.join(', ');
}

type Value = Cell['factors'][string];

function textPrompt({ prompt, promptKind, language }: Record<string, Value | undefined>): string {
  const spoken = typeof language === 'string' ? [languageName(language)] : [];
  const about = [...spoken, ...(promptKind === undefined ? [] : [`${promptKind}`])].join(' ');
  return `prompt "${prompt}"${about === '' ? '' : ` (${about})`}`;
}

/** Of BCP 47 and of programming languages, which are no such tags, the name alone. */
function languageName(tag: string): string {
  if (tag === 'mul') return 'multilingual';
  return tag.length > 3
    ? capitalized(tag)
    : (new Intl.DisplayNames('en', { type: 'language', fallback: 'code' }).of(tag) ?? tag);
}

/** `input safety.flagged` as "flagged by input safety", `prefill.cache` as "prefill cache warm". */
function factorInWords(factor: string, value: Value): string {
  const dot = factor.lastIndexOf('.');
  const [stage, policy] = dot < 0 ? ['', factor] : [factor.slice(0, dot), factor.slice(dot + 1)];
  if (policy === 'flagged' || policy === 'sampled') return `${value ? '' : 'not '}${policy} by ${stage}`;
  if (policy === 'drawn') return `${value} tokens of ${stage}`;
  // What is no policy of a stage is a name of someone's own, which is said as it is.
  const name = dot < 0 ? policy : policy.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  if (typeof value === 'boolean') return `${value ? 'with' : 'without'} ${`${stage} ${name}`.trim()}`;
  if (value === 'none') return `no ${`${stage} ${name}`.trim()}`;
  return `${`${stage} ${name}`.trim()} ${value}`;
}
