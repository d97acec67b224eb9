import type { Answer } from '../../analysis/answer/answer.js';
import type { Findings } from '../../analysis/findings.js';
import type { RequestTable } from '../../analysis/requests/request-table.js';
import type { WorkMetric } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import type { Html, Part } from './html.js';

/** Data that a section is drawn from. */
export interface PageContext {
  result: Result;
  findings: Findings;
  answer: Answer;
  table: RequestTable;
  /** Those that have findings, the most telling first. */
  metrics: readonly WorkMetric[];
  /** Makes an id unique among the results of a page. */
  id(name: string): string;
}

/** One part of the page: one file in sections/. */
export interface Section {
  /** Unique among the sections. */
  name: string;
  title: string;
  /** Its name in the contents. */
  short: string;
  /** A sentence or two on how to read it. */
  lead?: Part;
  body: Html;
  /** Content of a section for experts, which is folded up: a phrase. */
  folded?: string;
}

/** A section's id, apart from those of its charts. */
export function sectionId(name: string, id: PageContext['id']): string {
  return id(`section-${name}`);
}
