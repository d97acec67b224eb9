import { TokenworkError } from '../core/errors.js';
import { aiperf } from './aiperf.js';
import { guidellm } from './guidellm.js';
import type { Format, PlacedValue } from './imported.js';
import { llamaBench } from './llama-bench.js';
import { mlperfEndpoints } from './mlperf-endpoints.js';
import { vllmBench } from './vllm-bench.js';

/** The files of other tools that can be imported. */
export const formats: readonly Format[] = [aiperf, guidellm, vllmBench, llamaBench, mlperfEndpoints];

/** The format of a file by its first value. Throws TokenworkError `unknown-import` that says what was found there. */
export function formatOf({ value, where }: PlacedValue): Format {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const format = isObject && formats.find((one) => one.recognises(value as Record<string, unknown>));
  if (format) return format;
  const known = formats.map(({ tool, file }) => `${tool} (${file})`).join('; ');
  throw new TokenworkError(
    'unknown-import',
    `${where}: it is of no tool that is known: ${found(value)}.`,
    `Known are: ${known}. ${advice(value)}`.trim(),
  );
}

function found(value: unknown): string {
  if (typeof value !== 'object' || value === null) return `it holds ${JSON.stringify(value).slice(0, 40)}`;
  if (Array.isArray(value)) return 'it holds arrays in an array';
  const keys = Object.keys(value);
  if (keys.length === 0) return 'it holds an object without keys';
  const shown = keys.slice(0, 6).map((key) => JSON.stringify(key.slice(0, 40)));
  return `it holds an object with ${shown.join(', ')}${keys.length > 6 ? ' …' : ''}`;
}

/** What those files lie beside that are mistaken for them. */
function advice(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  if ('schemaVersion' in value) return 'This is a result of tokenwork: pass it to `tokenwork report`.';
  if ('input_config' in value || 'request_count' in value)
    return 'This looks like the summary of AIPerf: pass profile_export.jsonl from beside it.';
  return '';
}
