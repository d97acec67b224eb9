import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrometheusReader } from './prometheus-text.js';

function read(text: string, wanted: readonly string[], cuts: readonly number[] = []) {
  const reader = new PrometheusReader(new Set(wanted));
  const bytes = Buffer.from(text);
  const at = [0, ...[...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (const [index, from] of at.entries()) reader.push(bytes.subarray(from, at[index + 1]));
  return reader.end();
}

const plain = (samples: readonly { labels: ReadonlyMap<string, string>; value: number }[] | undefined) =>
  samples?.map(({ labels, value }) => [Object.fromEntries(labels), value]);

/** The example of the format's specification (Prometheus, exposition formats), shortened. */
const specified = String.raw`# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320
`;

describe('PrometheusReader', () => {
  it("reads the specification's example", () => {
    const names = [
      'http_requests_total',
      'msdos_file_access_time_seconds',
      'metric_without_timestamp_and_labels',
      'something_weird',
      'http_request_duration_seconds_bucket',
      'http_request_duration_seconds_sum',
    ];
    const { samples, declared, malformed } = read(specified, names);
    expect(malformed).toBe(0);
    expect(plain(samples.get(names[0]!))).toEqual([
      [{ method: 'post', code: '200' }, 1027],
      [{ method: 'post', code: '400' }, 3],
    ]);
    expect(plain(samples.get(names[1]!))).toEqual([
      [{ path: 'C:\\DIR\\FILE.TXT', error: 'Cannot find file:\n"FILE.TXT"' }, 1.458255915e9],
    ]);
    expect(plain(samples.get(names[2]!))).toEqual([[{}, 12.47]]);
    expect(plain(samples.get(names[3]!))).toEqual([
      [{ problem: 'division by zero' }, Number.POSITIVE_INFINITY],
    ]);
    expect(plain(samples.get(names[4]!))).toEqual([
      [{ le: '0.05' }, 24054],
      [{ le: '+Inf' }, 144320],
    ]);
    expect(plain(samples.get(names[5]!))).toEqual([[{}, 53423]]);
    expect(declared).toEqual(new Set(names));
  });

  it('reads what OpenMetrics adds: exemplars, timestamps in seconds, the end', () => {
    const text = `# TYPE foo counter
# UNIT foo seconds
foo_total{a="b # c",} 17.0 1520879607.789 # {trace_id="KOO5S4vxi0o"} 0.67
foo_created 1520872607.123
# EOF`;
    const { samples, declared, malformed } = read(text, ['foo_total', 'foo_count']);
    expect(malformed).toBe(0);
    expect(plain(samples.get('foo_total'))).toEqual([[{ a: 'b # c' }, 17]]);
    expect(declared).toEqual(new Set(['foo_total', 'foo_count']));
  });

  it('knows a metric that is declared and has no sample yet', () => {
    const { samples, declared } = read('# TYPE a_total counter\n', ['a_total', 'b']);
    expect([samples.size, ...declared]).toEqual([0, 'a_total']);
  });

  it.each([
    ['NaN', Number.NaN],
    ['nan', Number.NaN],
    ['-Inf', Number.NEGATIVE_INFINITY],
    ['Inf', Number.POSITIVE_INFINITY],
    ['.5', 0.5],
    ['1.', 1],
    ['-1e-3', -0.001],
  ])('reads the value %s', (text, value) => {
    expect(plain(read(`a ${text}\r\n`, ['a']).samples.get('a'))).toEqual([[{}, value]]);
  });

  it.each([
    'a',
    'a x',
    'a 0x10',
    'a 1 2 3',
    'a{b="c" 1',
    'a{b="c"',
    'a{b=c} 1',
    'a{b="c"d="e"} 1',
    'a{b="c\\"} 1',
    'a{"b"="c"} 1',
  ])('counts %j as malformed', (line) => {
    expect(read(`${line}\nb 1\n`, ['a', 'b'])).toMatchObject({ malformed: 1 });
  });

  it.each([
    ['in one chunk', []],
    ['in several', [17_000, 17_500, 30_000]],
  ])('reads over a line too long, %s', (_, cuts) => {
    const { samples, malformed } = read(`a{b="${'x'.repeat(40_000)}"} 1\na 2\n`, ['a'], cuts);
    expect(plain(samples.get('a'))).toEqual([[{}, 2]]);
    expect(malformed).toBe(1);
  });

  it('tells of samples that it left out', () => {
    const { samples, dropped } = read('a 1\n'.repeat(10_010), ['a']);
    expect([samples.get('a')!.length, dropped]).toEqual([10_000, 10]);
  });

  it('keeps the values of labels, however they are escaped and cut into chunks', () => {
    const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
    const value = fc.oneof(fc.double(), fc.integer());
    const escaped = (text: string) =>
      text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
    const number = (of: number) =>
      Number.isFinite(of) ? String(of) : Number.isNaN(of) ? 'NaN' : of > 0 ? '+Inf' : '-Inf';
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.dictionary(
              name,
              fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\r', '')),
            ),
            value,
          ),
        ),
        fc.array(fc.nat()),
        (samples, cuts) => {
          const lines = samples.map(([labels, of]) => {
            const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
            return `m{${pairs.join(',')}} ${number(of)}\nother{${pairs.join(',')}} 1\n`;
          });
          const reading = read(lines.join(''), ['m'], cuts);
          expect(reading.malformed).toBe(0);
          expect(plain(reading.samples.get('m')) ?? []).toEqual(
            samples.map(([labels, of]) => [{ ...labels }, Object.is(of, -0) ? expect.closeTo(0) : of]),
          );
        },
      ),
    );
  });

  it('never throws, whatever is sent', () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .array(fc.constantFrom('a', '{', '}', '"', '\\', ',', '=', ' ', '#', '\n', '1', 'TYPE', 'NaN', '\0'))
        .map((parts) => Buffer.from(`a${parts.join('')}`)),
    );
    fc.assert(
      fc.property(fc.array(hostile), (chunks) => {
        const reader = new PrometheusReader(new Set(['a', 'aa', '']));
        for (const chunk of chunks) reader.push(chunk);
        expect(reader.end().malformed).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
