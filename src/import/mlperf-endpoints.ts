/**
 * `events.jsonl` of MLPerf's endpoints benchmark (mlcommons/endpoints, 2026, src/inference_endpoint/core/record.py and
 * types.py): an event a line, `{event_type, timestamp_ns, sample_uuid, data}`, by a monotonic clock. `data` is an array
 * whose first entry names its type, with defaults left out from the end: `["PromptData", text, token_ids]`,
 * `["TextModelOutput", output, reasoning]`, where a stream's texts are arrays, `["ErrorData", type, message]`.
 *
 * Texts have no counts in it; they are counted with the tokenizer that was given.
 */
import { z } from 'zod';
import { amount, checked } from './checked.js';
import {
  badImport,
  type Format,
  type ImportContext,
  type ImportedRequest,
  type ImportedRun,
  notStreamed,
} from './imported.js';

const eventSchema = z.looseObject({
  event_type: z.string(),
  timestamp_ns: amount,
  sample_uuid: z.string().nullish(),
  data: z.array(z.unknown()).nullish(),
});

interface OpenSample {
  issuedNs: number;
  firstNs: number | null;
  lastNs: number | null;
  promptTokens: number | null;
}

const hint = 'Pass --tokenizer with a folder that holds the tokenizer.json of the model that was served.';

export const mlperfEndpoints: Format = {
  id: 'mlperf-endpoints',
  tool: 'MLPerf endpoints',
  file: 'events.jsonl',
  cannotTell:
    'token counts by the server (they are of its texts, without a chat template), cached tokens, the model, the server and its machine',
  recognises: (first) => typeof first.event_type === 'string' && 'timestamp_ns' in first,
  async *read(values, context) {
    const run: ImportedRun = {
      ...{ model: null, parameters: null, setting: {}, concurrency: null, machine: null, os: null },
      ...{ startedAt: null, durationNs: null },
      engine: { name: 'an unknown server', version: null, device: null, threads: null },
    };
    const open = new Map<string, OpenSample>();
    for await (const placed of values) {
      const {
        event_type: type,
        timestamp_ns: atNs,
        sample_uuid: id,
        data,
      } = checked(eventSchema, placed, 'MLPerf endpoints');
      if (!id) continue;
      if (type === 'sample.issued') {
        open.set(id, {
          issuedNs: atNs,
          firstNs: null,
          lastNs: null,
          promptTokens: promptTokensOf(data, context),
        });
        continue;
      }
      const sample = open.get(id);
      if (sample === undefined) continue;
      if (type === 'sample.recv_first') sample.firstNs = sample.lastNs = atNs;
      else if (type === 'sample.recv_non_first') sample.lastNs = atNs;
      else if (type.startsWith('error.')) {
        open.delete(id);
        yield { run, atNs: sample.issuedNs, outcome: failureOf(sample, data) };
      } else if (type === 'sample.complete') {
        open.delete(id);
        const request = completed(sample, atNs, data, placed.where, run, context);
        if (request === null) context.note(notStreamed);
        else yield request;
      }
    }
    for (const sample of open.values()) {
      const outcome = {
        status: 'failed' as const,
        message: 'The log ends before its answer.',
        promptTokens: sample.promptTokens,
      };
      yield { run, atNs: sample.issuedNs, outcome };
    }
  },
};

function promptTokensOf(data: unknown[] | null | undefined, { countTokens }: ImportContext): number | null {
  const [, text, ids] = data ?? [];
  if (Array.isArray(ids)) return ids.length;
  return typeof text === 'string' && countTokens ? countTokens(text) : null;
}

function failureOf(sample: OpenSample, data: unknown[] | null | undefined): ImportedRequest['outcome'] {
  const words = (data ?? []).slice(1).filter((part) => typeof part === 'string' && part !== '');
  return {
    status: 'failed',
    message: words.join(': ') || 'The request failed.',
    promptTokens: sample.promptTokens,
  };
}

function completed(
  { issuedNs, firstNs, lastNs, promptTokens }: OpenSample,
  endedNs: number,
  data: unknown[] | null | undefined,
  where: string,
  run: ImportedRun,
  { countTokens }: ImportContext,
): ImportedRequest | null {
  if (promptTokens === null) throw badImport(where, 'its prompt has neither token ids nor a count', hint);
  if (countTokens === null)
    throw badImport(where, 'it holds the text of its answer, and no count of its tokens', hint);
  if (firstNs === null || lastNs === null) return null;
  const [, output, thought] = data ?? [];
  const reasoning = countTokens(textOf(thought));
  const completion = reasoning + countTokens(textOf(output));
  return {
    run,
    atNs: issuedNs,
    outcome: {
      status: 'ok',
      tokens: { prompt: promptTokens, cached: 0, completion, reasoning, drafted: null, accepted: null },
      times: {
        ...{ started: 0, firstToken: firstNs - issuedNs, answerToken: null },
        ...{ lastToken: lastNs - issuedNs, ended: Math.max(endedNs, lastNs) - issuedNs, gaps: null },
      },
    },
  };
}

function textOf(output: unknown): string {
  if (Array.isArray(output)) return output.filter((part) => typeof part === 'string').join('');
  return typeof output === 'string' ? output : '';
}
