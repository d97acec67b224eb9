/** Tokens of a request as a bill shows them: cached ⊂ prompt. */
export interface LoggedTokens {
  prompt: number;
  cached: number;
  completion: number;
}

/** Requests of nearly the same lengths; their tokens are sums. */
export interface TallyBin extends LoggedTokens {
  requests: number;
}

/** Lengths below are kept as they are. */
const exactBelow = 64;
/** Longer ones share a bin within this relative width. */
const width = 0.02;
const cachedLevels = 32;

/**
 * The requests of a log by their lengths, which is all that predicting their work takes: a million of them fill some
 * tens of thousands of bins, each with the sums of its tokens, so that lengths are off by 1% at the most and no token
 * is lost.
 */
export class UsageTally {
  readonly #bins = new Map<number, TallyBin>();

  add({ prompt, cached, completion }: LoggedTokens): void {
    const share = prompt === 0 ? 0 : Math.ceil((cachedLevels * cached) / prompt);
    const key = (level(prompt) * 4096 + level(completion)) * (cachedLevels + 1) + share;
    const bin = this.#bins.get(key);
    if (bin === undefined) this.#bins.set(key, { prompt, cached, completion, requests: 1 });
    else {
      bin.prompt += prompt;
      bin.cached += cached;
      bin.completion += completion;
      bin.requests++;
    }
  }

  bins(): TallyBin[] {
    return [...this.#bins.values()];
  }
}

function level(tokens: number): number {
  return tokens < exactBelow
    ? tokens
    : exactBelow + Math.min(Math.floor(Math.log(tokens / exactBelow) / width), 4095 - exactBelow);
}
