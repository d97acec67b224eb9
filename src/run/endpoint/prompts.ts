import type { Endpoint, EndpointPrompt } from '../../engines/endpoint/endpoint.js';
import { words } from '../../models/build/words.js';
import type { PromptSpec } from '../../stages/request-spec.js';
import { syntheticTokenIds } from '../../stages/synthetic-tokens.js';
import { deriveSeed } from '../../stats/random.js';

/** Makes the prompts of requests to one server. */
export interface PromptMaker {
  /** Whether synthetic prompts have as many tokens as are asked for, as far as the server's tokenizer tells. */
  readonly exact: boolean;
  /**
   * The prompt to be sent. Synthetic ones that differ in `draw` share no prefix, which a server would read from its
   * cache. Throws TokenworkError `endpoint-failed`.
   */
  make(spec: PromptSpec, draw: number): Promise<EndpointPrompt>;
}

/** Prompts by what the server offers: token ids, words of one token each, or words. Throws TokenworkError `endpoint-failed`. */
export async function promptMaker(endpoint: Endpoint): Promise<PromptMaker> {
  const synthetic = await syntheticMaker(endpoint);
  return {
    exact: synthetic.exact,
    async make(spec, draw) {
      if (spec.kind === 'synthetic') return synthetic.make({ ...spec, seed: deriveSeed(spec.seed, draw) });
      const { text, messages } = spec;
      if (messages === undefined) return asked(endpoint, text);
      if (endpoint.api === 'chat') return { kind: 'messages', messages };
      // The text API knows no roles, and the server's own template does.
      if (endpoint.takesIds && endpoint.tokenize)
        return { kind: 'ids', ids: await endpoint.tokenize({ kind: 'messages', messages }) };
      return { kind: 'text', text };
    },
  };
}

type Synthetic = Omit<Extract<PromptSpec, { kind: 'synthetic' }>, 'kind'>;

interface SyntheticMaker {
  exact: boolean;
  make(prompt: Synthetic): EndpointPrompt;
}

async function syntheticMaker(endpoint: Endpoint): Promise<SyntheticMaker> {
  const { api, takesIds, tokenize } = endpoint;
  if (tokenize === null) return { exact: false, make: (prompt) => asked(endpoint, textOf(english, prompt)) };
  const special = new Set(await tokenize({ kind: 'text', text: '' }));
  if (api === 'completions' && takesIds) {
    const known = await tokenize({ kind: 'text', text: english.join(' ') });
    const pool = [...new Set(known)].filter((id) => !special.has(id));
    if (pool.length > 0)
      return { exact: true, make: (prompt) => ({ kind: 'ids', ids: drawn(pool, prompt) }) };
  }
  return wordMaker(endpoint, tokenize);
}

/** Texts of words that are one token each, so that as many words as tokens are asked for hit the length. */
async function wordMaker(
  endpoint: Endpoint,
  tokenize: NonNullable<Endpoint['tokenize']>,
): Promise<SyntheticMaker> {
  const count = async (text: string) => {
    const prompt = asked(endpoint, text);
    return prompt.kind === 'ids' ? prompt.ids.length : (await tokenize(prompt)).length;
  };
  const start = english[0]!;
  const base = await count(start);
  const single: string[] = [];
  for (const word of english) {
    if (single.length === enoughWords) break;
    if ((await count(`${start} ${word}`)) === base + 1) single.push(word);
  }
  if (single.length === 0)
    return { exact: false, make: (prompt) => asked(endpoint, textOf(english, prompt)) };
  // The template's own tokens are part of the prompt.
  const wordsFor = (tokens: number) => Math.max(1, tokens - base + 1);
  const probe = 4 * base + 16;
  // A word at the beginning has other tokens than after a space, so all begin with the same.
  const text = ({ tokens, ...prompt }: Synthetic) => {
    const more = wordsFor(tokens) - 1;
    return more === 0 ? start : `${start} ${textOf(single, { ...prompt, tokens: more })}`;
  };
  const exact = (await count(text({ tokens: probe, seed: 1 }))) === probe;
  return { exact, make: (prompt) => asked(endpoint, text(prompt)) };
}

const enoughWords = 64;
/** Whole words of English, which most tokenizers know as one token. */
const english = words
  .slice(0, words.indexOf('ing'))
  .filter((word, index, all) => /^[a-z]+$/.test(word) && all.indexOf(word) === index);

function asked({ api }: Endpoint, text: string): EndpointPrompt {
  return api === 'chat'
    ? { kind: 'messages', messages: [{ role: 'user', content: text }] }
    : { kind: 'text', text };
}

/** Drawn as prompts of models in this process are, from another vocabulary. */
function drawn<Item>(pool: readonly Item[], prompt: Synthetic): Item[] {
  return syntheticTokenIds({ ...prompt, vocabulary: pool.length, avoid: [] }).map((id) => pool[id]!);
}

function textOf(pool: readonly string[], prompt: Synthetic): string {
  return drawn(pool, prompt).join(' ');
}
