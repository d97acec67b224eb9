import { type Cell, isOk, type Result, tracedKind } from '../../core/result.js';
import { type PromptTrace, promptTrace } from './prompt-trace.js';

/** A prompt that was traced, with what came of it. */
export interface TracedPrompt {
  name: string;
  cell: Cell;
  trace: PromptTrace | null;
  /** Why there is no trace. */
  reason: string | null;
}

/** Whether a result is a trace. */
export function isTrace({ cells }: { cells: readonly Cell[] }): boolean {
  return cells.some(({ factors }) => factors.promptKind === tracedKind);
}

/** The prompts of a trace, in its order; none for a result of anything else. */
export function tracedPrompts({ cells, requests }: Result): TracedPrompt[] {
  const traced = cells.filter(({ factors }) => factors.promptKind === tracedKind);
  const isTraced = new Set(traced.map(({ id }) => id));
  const failure = (of: (cell: string) => boolean) => {
    const failed = requests.find(({ cell, outcome }) => of(cell) && outcome.status === 'failed');
    return failed?.outcome.status === 'failed' ? failed.outcome.message : null;
  };
  const ok = requests.filter(isOk);
  const reference = ok.filter(({ cell }) => !isTraced.has(cell));
  return traced.map((cell) => {
    const name = String(cell.factors.prompt);
    const rows = ok.filter((row) => row.cell === cell.id);
    const none = { name, cell, trace: null };
    if (rows.length === 0)
      return { ...none, reason: failure((id) => id === cell.id) ?? 'No request of it came to an end.' };
    if (reference.length === 0) {
      const why = failure((id) => !isTraced.has(id)) ?? 'it did not come to an end.';
      return { ...none, reason: `The reference request, which it is weighed by, failed: ${why}` };
    }
    return { name, cell, trace: promptTrace(rows, reference, name), reason: null };
  });
}
