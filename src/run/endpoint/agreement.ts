import { TokenworkError } from '../../core/errors.js';
import type { ServedSettings } from '../../journal/entry.js';
import type { PlannedCell } from '../../workload/plan.js';
import type { BenchOptions } from '../options.js';
import { sentAlone } from './alone.js';
import { type ConnectedServer, isPublic } from './connect.js';

/** What is to be sent, and to whom. */
interface Intended {
  settings: Pick<ServedSettings, 'repetitions' | 'warmup'> & {
    sampling: Pick<ServedSettings['sampling'], 'validate'>;
  };
  servers: readonly ConnectedServer[];
  cells: readonly PlannedCell[];
}

/**
 * Asks once before any text is sent to a public host, to its tokenizer neither, saying how much. Nothing is asked of servers
 * on this machine and on private networks. Throws TokenworkError `public-endpoint` where nobody agrees.
 */
export async function agreed(
  { settings, servers, cells }: Intended,
  { yes, confirm }: Pick<BenchOptions, 'yes' | 'confirm'>,
): Promise<void> {
  const open: string[] = [];
  for (const { endpoint } of servers) {
    if (await isPublic(endpoint.record.url)) open.push(new URL(endpoint.record.url).host);
  }
  if (open.length === 0 || yes) return;
  const { repetitions, warmup, sampling } = settings;
  const tokens = { prompt: 0, texts: 0, completion: 0 };
  let requests = warmup * servers.length;
  const add = ({ request: { prompt, completionTokens } }: PlannedCell, times: number) => {
    requests += times;
    if (prompt.kind === 'synthetic') tokens.prompt += times * prompt.tokens;
    else tokens.texts += times;
    tokens.completion += times * completionTokens;
  };
  for (const cell of cells) add(cell, repetitions * cell.count);
  if (sampling.validate) for (const cell of sentAlone(cells)) add(cell, 1);
  const texts = tokens.texts > 0 ? `, those of ${tokens.texts.toLocaleString('en')} texts` : '';
  const question = `${requests.toLocaleString('en')} requests would be sent to ${[...new Set(open)].join(' and ')}, a public host: ${tokens.prompt.toLocaleString('en')} prompt tokens${texts} and up to ${tokens.completion.toLocaleString('en')} completion tokens, which it may bill.`;
  if (await confirm?.(`${question} Send them?`)) return;
  throw new TokenworkError(
    'public-endpoint',
    question,
    'Say so with --yes, or ask for less: --limit, --repetitions.',
  );
}
