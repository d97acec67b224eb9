import type { z } from 'zod';
import type { ErrorCode } from '../core/codes.js';
import { messageOf, TokenworkError } from '../core/errors.js';
import { lineOfPath, positionOfSyntaxError } from '../core/json/json-position.js';
import { describeIssue, firstIssue, type JsonPath } from '../core/json/schema-issue.js';
import { plainStrings } from '../core/text.js';

/** A JSON file that a user writes: what is wrong with it is told with its file and line. */
export interface JsonDocument {
  json: unknown;
  /** The document by a schema. Throws the document's error for the first thing that does not fit. */
  parse<Schema extends z.ZodType>(schema: Schema): z.output<Schema>;
  /** The document's error for what stands at `path`. */
  error(path: JsonPath, message: string, cause?: unknown): TokenworkError;
}

/** Throws TokenworkError `code`, with `hint`, where the text is no JSON. Without lines, errors name none. */
export function readDocument(
  text: string,
  { path, code, hint, hasLines = true }: { path: string; code: ErrorCode; hint: string; hasLines?: boolean },
): JsonDocument {
  const error = (line: number, problem: string, cause?: unknown) =>
    new TokenworkError(code, `${path}${hasLines ? `:${line}` : ''}: ${problem}.`, hint, { cause });
  let json: unknown;
  try {
    json = plainStrings(JSON.parse(text));
  } catch (cause) {
    throw error(positionOfSyntaxError(text).line, `it is no JSON: ${messageOf(cause)}`, cause);
  }
  return {
    json,
    parse(schema) {
      const parsed = schema.safeParse(json);
      if (parsed.success) return parsed.data;
      const issue = firstIssue(parsed.error);
      throw error(lineOfPath(text, issue.path), describeIssue(issue), parsed.error);
    },
    error: (at, message, cause) =>
      error(lineOfPath(text, at), describeIssue({ path: at, message, others: 0 }), cause),
  };
}
