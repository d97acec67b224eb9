import type { Warning } from '../core/codes.js';
import type { Nanoseconds } from '../core/units.js';
import type { JournalRow, ServedHeader } from '../journal/entry.js';
import type { Segment } from '../sampling/attribution/segment.js';
import { countUpTo, type Series } from '../sampling/series.js';
import { isServer, scopeOf } from './served-scope.js';

/** Tokens over a part of a run, as a server counted them and as the answers to requests had them. */
interface Comparison {
  counted: number;
  told: number;
  /** Of requests that had not ended when the counters were read last: any part of them may be counted. */
  inFlight: number;
  failed: number;
}

/**
 * Says where servers' counters of generated tokens and the tokens that requests were told of differ by more than was in
 * flight. An aborted request, one that was sent again, several answers to one prompt: the counters alone know what they cost.
 */
export function counterWarnings(
  header: ServedHeader,
  segments: readonly Segment[],
  rows: Iterable<JournalRow>,
): Warning[] {
  const areRead = segments.some(({ sensors }) =>
    sensors.some(({ channels }) => channels.some(({ quantity }) => quantity === 'generatedTokens')),
  );
  if (!areRead) return [];
  const byId = new Map<number, JournalRow>();
  for (const row of rows) byId.set(row.id, row);
  const found = segments.flatMap((segment) =>
    comparisons(segment, scopeOf(header, rows, segment.sensors), byId),
  );
  const sum = (of: (one: Comparison) => number) => found.reduce((total, one) => total + of(one), 0);
  const [counted, told, inFlight, failed] = [
    sum((one) => one.counted),
    sum((one) => one.told),
    sum((one) => one.inFlight),
    sum((one) => one.failed),
  ];
  if (counted >= told && counted <= told + inFlight) return [];
  const figures = `The counters of --metrics-url grew by ${counted} generated tokens, and the answers had ${told}`;
  const around = inFlight > 0 ? `, with ${inFlight} more in flight at the last reading` : '';
  if (counted < told) {
    return [
      {
        code: 'server-counters-differ',
        message: `${figures}${around}: ${told - counted} that were answered are in no counter.`,
        hint: 'Another server answers at the same address, or the server counts late. Name each with a --metrics-url of its own.',
      },
    ];
  }
  const failures =
    failed === 0
      ? ''
      : ` ${failed} ${failed === 1 ? 'request' : 'requests'} failed, whose tokens nobody told.`;
  return [
    {
      code: 'server-counters-differ',
      message: `${figures}${around}: no answer had the other ${counted - told - inFlight}.${failures}`,
      hint: 'What failed, was aborted or sent again also cost work: it is unattributed. That of other clients cannot be told from that of requests beside it.',
    },
  ];
}

function comparisons(
  { sensors, series, measured, requests, alone, pairs }: Segment,
  { fleet, requestsOf }: ReturnType<typeof scopeOf>,
  byId: ReadonlyMap<number, JournalRow>,
): Comparison[] {
  if (measured === null) return [];
  const { startNs } = measured;
  // Requests that are sent alone afterwards are in no row.
  const untilNs = Math.min(...[...alone, ...pairs].flatMap(({ spans }) => spans.map((span) => span.startNs)));
  const counters = sensors.flatMap(({ name, channels }) =>
    channels
      .filter(({ device, quantity }) => isServer(device) && quantity === 'generatedTokens')
      .map((channel) => ({
        growth: growthOf(series(channel), startNs, untilNs),
        of: requestsOf(channel.device, name),
      })),
  );
  if (counters.some(({ growth }) => growth === null)) return [];
  const compare = (growths: readonly Growth[], of: ReadonlySet<number> | null): Comparison => {
    const lastNs = Math.min(...growths.map(({ lastNs: at }) => at));
    const result = {
      counted: growths.reduce((sum, { tokens }) => sum + tokens, 0),
      told: 0,
      inFlight: 0,
      failed: 0,
    };
    for (const { id, spans } of requests) {
      if (of?.has(id) === false) continue;
      const tokens = byId.get(id)?.tokens?.completion;
      if (tokens === undefined) result.failed++;
      else if (spans.at(-1)!.endNs > lastNs) result.inFlight += tokens;
      else result.told += tokens;
    }
    return result;
  };
  const known = counters as { growth: Growth; of: ReadonlySet<number> | null }[];
  if (fleet === null) return known.map(({ growth, of }) => compare([growth], of));
  const growths = known.map(({ growth }) => growth);
  return growths.length === fleet ? [compare(growths, null)] : [];
}

interface Growth {
  tokens: number;
  lastNs: Nanoseconds;
}

/** From the last reading before the first request to the last before `untilNs`; null where there was a gap between. */
function growthOf({ timesNs, values }: Series, startNs: Nanoseconds, untilNs: Nanoseconds): Growth | null {
  const first = countUpTo(timesNs, startNs) - 1;
  const last = countUpTo(timesNs, untilNs) - 1;
  if (first < 0 || last <= first) return null;
  if (values.slice(first, last + 1).some(Number.isNaN)) return null;
  return { tokens: values[last]! - values[first]!, lastNs: timesNs[last]! };
}

export const sharedOverFleet = (members: number): Warning => ({
  code: 'fleet-shared',
  message: `Not every answer names which of the ${members} servers behind the address gave it, so their counters are shared over all requests as if they were one server: what a request is charged errs more than of one server.`,
  hint: 'Let the proxy name it by the host of its --metrics-url in a header, such as x-served-by: HOST:PORT; --validate-attribution measures the error.',
});
