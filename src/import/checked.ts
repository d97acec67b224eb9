import { z } from 'zod';
import { describeIssue, firstIssue } from '../core/json/schema-issue.js';
import { badImport, type PlacedValue } from './imported.js';

/** Schemas of what files of other tools hold: no count and no time is negative. */
export const count = z.int().nonnegative();
export const amount = z.number().nonnegative();

/** The value as `schema` has it. Throws TokenworkError `bad-import` that names the place and what is wrong there. */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  { value, where }: PlacedValue,
  tool: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw badImport(
    where,
    describeIssue(firstIssue(parsed.error)),
    `Is it as ${tool} wrote it? Leave out what is broken, or record it again.`,
    parsed.error,
  );
}

/** Throws TokenworkError `bad-import` for a part that is larger than its whole. */
export function refuseLarger(part: number, whole: number, words: [string, string], where: string): void {
  if (part <= whole) return;
  const problem = `${part} ${words[0]} are more than the ${whole} ${words[1]}`;
  throw badImport(where, problem, 'The tool counts the two in different ways; leave the request out.');
}
