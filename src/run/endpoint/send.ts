import type { GenerateRequest, Generation } from '../../engines/endpoint/endpoint.js';
import type { PromptSpec } from '../../stages/request-spec.js';
import { deriveSeed } from '../../stats/random.js';
import type { PlannedCell } from '../../workload/plan.js';
import type { PreparedServed } from './prepare.js';

/** Requests that are of the same cell, and share nothing that a server could have cached. */
interface Draw {
  cell: PlannedCell;
  /** Counts the cell's requests; those that are not measured have numbers of their own. */
  number: number;
  /** In place of the cell's. */
  prompt?: PromptSpec | undefined;
}

/** Numbers of draws that no measured request has. */
export const apart = { warmUp: 1_000_000_000, alone: 2_000_000_000 } as const;

/** Sends a request to the server of its cell; what fails is an outcome. Rejects only where its prompt cannot be made. */
export type Sender = (draw: Draw, signal: AbortSignal | undefined) => Promise<Generation>;

export function senderTo({ servers, settings }: Pick<PreparedServed, 'servers' | 'settings'>): Sender {
  return async ({ cell, number, prompt: own = cell.request.prompt }, signal) => {
    const { id, model, request } = cell;
    const { endpoint, prompts } = servers.get(model)!;
    // By what the request is, and not by who serves it: two servers get the same prompts, and two cells never do.
    const prompt = await prompts.make(own, deriveSeed(number, ...Buffer.from(id.slice(model.length))));
    const { sampling } = request;
    const asked: GenerateRequest = {
      prompt,
      maxTokens: request.completionTokens,
      ignoreEos: request.stop === 'forced',
      ...(sampling.kind === 'greedy'
        ? { temperature: 0, topK: null, seed: null }
        : { temperature: sampling.temperature, topK: sampling.topK ?? null, seed: sampling.seed }),
      cachePrompt: sharesPrefixes(own),
    };
    return endpoint.generate(asked, { deadlineMs: settings.deadlineMs, signal });
  };
}

/** Prompts of mere lengths share nothing; those of a trace with blocks, and a user's texts, are cached as they would be. */
const sharesPrefixes = (prompt: PromptSpec): boolean => prompt.kind === 'text' || prompt.blocks !== undefined;
