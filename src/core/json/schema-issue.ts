import type { z } from 'zod';

export type JsonPath = readonly (string | number)[];
type Issue = z.core.$ZodIssue;

export interface SchemaIssue {
  /** From the document's root; empty for the document itself. */
  path: JsonPath;
  message: string;
  /** Further issues of the same document. */
  others: number;
}

/** The first thing wrong with a document; of a union, what is wrong with the closest alternative. */
export function firstIssue(error: z.ZodError): SchemaIssue {
  const [issue] = error.issues;
  if (issue === undefined) throw new RangeError('a schema error without an issue');
  return { ...descend(issue, []), others: error.issues.length - 1 };
}

/** One readable sentence, such as `cells[3].factors: expected record, received null (and 2 more)`. */
export function describeIssue({ path, message, others }: SchemaIssue): string {
  const where = path.length === 0 ? '' : `${formatPath(path)}: `;
  return `${where}${message}${others === 0 ? '' : ` (and ${others} more)`}`;
}

/** `cells[3].factors`, as one would write it in JavaScript. */
export function formatPath(path: JsonPath): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (/^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(key)) return index === 0 ? key : `.${key}`;
      return `[${JSON.stringify(key)}]`;
    })
    .join('');
}

function descend(issue: Issue, above: JsonPath): { path: JsonPath; message: string } {
  const path = [...above, ...issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))];
  if (issue.code === 'invalid_union') {
    const closest = closestAlternative(issue.errors);
    if (closest !== undefined) return descend(closest, path);
  }
  const message = issue.message.replace(/^Invalid input: /, '');
  return { path, message: message.replace(/, received undefined$/, ', but it is missing') };
}

/**
 * The first issue of the alternative that fits best: the fewest issues, and among equals the one whose
 * first issue lies deepest, as a wrong discriminator fails at the top.
 */
function closestAlternative(alternatives: readonly Issue[][]): Issue | undefined {
  const depth = (issues: Issue[]) => issues[0]?.path.length ?? 0;
  const ranked = alternatives
    .filter((issues) => issues.length > 0)
    .sort((a, b) => a.length - b.length || depth(b) - depth(a));
  return ranked[0]?.[0];
}
