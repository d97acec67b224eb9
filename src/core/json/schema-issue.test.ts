import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describeIssue, firstIssue, formatPath } from './schema-issue.js';

function issueOf(schema: z.ZodType, value: unknown): string {
  const parsed = schema.safeParse(value);
  if (parsed.success) throw new Error('the schema accepts the value');
  return describeIssue(firstIssue(parsed.error));
}

describe('a schema issue in words', () => {
  const schema = z.strictObject({ cells: z.array(z.strictObject({ id: z.string() })) });

  it('names the path of what is wrong', () => {
    expect(issueOf(schema, { cells: [{ id: 'a' }, { id: 7 }] })).toBe(
      'cells[1].id: expected string, received number',
    );
  });

  it('says that something is missing, and how much more is wrong', () => {
    expect(issueOf(schema, { cells: [{}, {}, {}] })).toBe(
      'cells[0].id: expected string, but it is missing (and 2 more)',
    );
  });

  it('names no path for the document itself', () => {
    expect(issueOf(schema, 'text')).toBe('expected object, received string');
  });

  it('explains a union by the alternative that nearly fits', () => {
    const ok = z.strictObject({ status: z.literal('ok'), tokens: z.number() });
    const failed = z.strictObject({ status: z.literal('failed'), message: z.string() });
    const rows = z.array(z.union([failed, ok]));
    expect(issueOf(rows, [{ status: 'ok', tokens: 'many' }])).toBe(
      '[0].tokens: expected number, received string',
    );
  });

  it('quotes keys that are no names', () => {
    expect(formatPath(['models', 0, 'gemm', 'fp-32'])).toBe('models[0].gemm["fp-32"]');
  });
});
