import { type Findings, findingsOf } from '../analysis/findings.js';
import type { Result } from '../core/result.js';
import { renderAnswer } from '../report/terminal/answer.js';
import { renderFindings } from '../report/terminal/findings.js';
import { renderRun } from '../report/terminal/run.js';
import { moreHint } from './page-hint.js';

/** A result for a terminal: the answer and where the rest is; in full, the answer and the rest. */
export function renderReport(
  result: Result,
  path: string,
  { full, ...terminal }: { width: number; color: boolean; full: boolean },
  findings: Findings = findingsOf(result),
): string {
  if (!full) return renderAnswer(result, findings, { ...terminal, more: moreHint(path) });
  return [
    renderAnswer(result, findings, terminal),
    renderRun(result, { ...terminal, savedAt: path }),
    renderFindings(findings, terminal),
  ].join('\n');
}
