import { metricOf } from '../../core/metrics.js';
import { type Cell, isOk, type OkRequest, type Result } from '../../core/result.js';
import { absent, divide, type Figure, medianOf, present } from '../figure.js';
import { timeToFirstTokenNs } from '../request-metrics.js';

/** Tokens per second of one sequence, as llama-bench tells them. */
export interface Speed {
  prefill: Figure;
  decode: Figure;
}

/**
 * Tokens per second of one model: of each cell the median over its requests, then the median over cells.
 *
 *     prefill = prompt tokens that were computed (prompt − cached) ÷ TTFT from the start of work, without queue
 *     decode  = 1 ÷ TPOT
 *
 * Over cells of plain chat without a batch, where there are any: stages before the first token are no prefill,
 * and rows of a batch share a pass.
 */
export function speedOf({ cells, requests }: Result, model: string): Speed {
  const own = cells.filter((cell) => cell.model === model);
  const plain = own.filter(isPlain);
  const taken = new Map((plain.length > 0 ? plain : own).map(({ id }) => [id, [] as OkRequest[]]));
  for (const request of requests) if (isOk(request)) taken.get(request.cell)?.push(request);
  const overCells = (rate: (request: OkRequest) => Figure) => {
    const measured = [...taken.values()].filter(({ length }) => length > 0);
    const medians = measured.map((rows) => medianOf(rows.map(rate)));
    return medianOf(medians);
  };
  return { prefill: overCells(prefillRate), decode: overCells(decodeRate) };
}

function isPlain({ factors: { pipeline = 'plain-chat', batch = 1 } }: Cell): boolean {
  return pipeline === 'plain-chat' && batch === 1;
}

const second = present(1e9);

function prefillRate(request: OkRequest): Figure {
  const { prompt, cached } = request.tokens;
  if (prompt - cached === 0) return absent('no-tokens');
  const seconds = present(timeToFirstTokenNs(request, 'started') / 1e9);
  return divide(present(prompt - cached), seconds, 'too-short');
}

function decodeRate(request: OkRequest): Figure {
  const timePerToken = metricOf('tpot').ofRequest(request, 1);
  return timePerToken === null ? absent('too-short') : divide(second, present(timePerToken), 'too-short');
}
