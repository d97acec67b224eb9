/** One sample of a metric; a histogram's buckets, sum and count are samples of their own, told apart by name and `le`. */
export interface PrometheusSample {
  labels: ReadonlyMap<string, string>;
  value: number;
}

export interface PrometheusReading {
  /** By name, those that were wanted, in the order of the text. */
  samples: ReadonlyMap<string, readonly PrometheusSample[]>;
  /** Wanted names that the text declares, with samples or without. */
  declared: ReadonlySet<string>;
  /** Lines of wanted metrics that are none of the format, or too long. */
  malformed: number;
  /** Samples left out, as there were too many. */
  dropped: number;
}

/** Metrics have a few hundred characters a line, and a server has some thousand lines. */
const longestLine = 16_384;
const mostSamples = 50_000;
const newline = 10;
const hash = 35;
/** Names of samples after the name that a family is declared by. */
const suffixes = ['', '_total', '_sum', '_count', '_bucket'];

/**
 * Reads metrics in Prometheus's text format 0.0.4, and what OpenMetrics 1.0 adds to it (`_total`, exemplars, `# EOF`),
 * from chunks as they arrive. Only samples whose names are wanted are kept, so that memory does not grow with the text.
 * Timestamps and exemplars are read over. No text makes it throw.
 */
export class PrometheusReader {
  readonly #wanted: ReadonlySet<string>;
  readonly #samples = new Map<string, PrometheusSample[]>();
  readonly #declared = new Set<string>();
  /** The beginning of a line whose end has not come yet. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #kept = 0;
  #malformed = 0;
  #dropped = 0;

  constructor(wanted: ReadonlySet<string>) {
    this.#wanted = wanted;
  }

  push(chunk: Buffer): void {
    let from = 0;
    for (let to = chunk.indexOf(newline); to >= 0; to = chunk.indexOf(newline, from)) {
      this.#add(chunk.subarray(from, to));
      this.#endLine();
      from = to + 1;
    }
    // A copy, so that the rest of a line does not hold on to its chunk.
    this.#add(Buffer.from(chunk.subarray(from)));
  }

  /** What has been read, the last line included, which may lack its end. */
  end(): PrometheusReading {
    this.#endLine();
    return {
      samples: this.#samples,
      declared: this.#declared,
      malformed: this.#malformed,
      dropped: this.#dropped,
    };
  }

  #add(part: Buffer): void {
    if (part.length === 0) return;
    if (this.#begunBytes <= longestLine) this.#begun.push(part);
    this.#begunBytes += part.length;
  }

  #endLine(): void {
    const [first] = this.#begun;
    if (first === undefined) return;
    if (this.#begunBytes > longestLine) this.#malformed++;
    else this.#read(this.#begun.length === 1 ? first : Buffer.concat(this.#begun));
    this.#begun = [];
    this.#begunBytes = 0;
  }

  #read(line: Buffer): void {
    if (line[0] === hash) {
      this.#declare(line);
      return;
    }
    const name = line.toString('latin1', 0, endOfName(line));
    if (!this.#wanted.has(name)) return;
    const sample = parseSample(line.toString('utf8').trimEnd(), name.length);
    if (sample === null) {
      this.#malformed++;
    } else if (this.#kept >= mostSamples) {
      this.#dropped++;
    } else {
      this.#kept++;
      this.#declared.add(name);
      const known = this.#samples.get(name);
      if (known) known.push(sample);
      else this.#samples.set(name, [sample]);
    }
  }

  #declare(line: Buffer): void {
    const family = /^#[ \t]+TYPE[ \t]+(\S{1,200})[ \t]/.exec(line.toString('latin1', 0, 256))?.[1];
    if (family === undefined) return;
    for (const suffix of suffixes) {
      if (this.#wanted.has(family + suffix)) this.#declared.add(family + suffix);
    }
  }
}

function endOfName(line: Buffer): number {
  let end = 0;
  // Up to a space, a tab or an opening brace.
  while (end < line.length && line[end] !== 32 && line[end] !== 9 && line[end] !== 123) end++;
  return end;
}

const label = /[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(,|(?=\}))/y;
const escapes = new Map([
  ['\\n', '\n'],
  ['\\"', '"'],
  ['\\\\', '\\'],
]);

/** Labels and value of a sample's line after its name; null where it is none. */
function parseSample(line: string, from: number): PrometheusSample | null {
  const labels = new Map<string, string>();
  let at = from;
  while (line[at] === ' ' || line[at] === '\t') at++;
  if (line[at] === '{') {
    at++;
    for (let ended = false; !ended; ) {
      while (line[at] === ' ' || line[at] === '\t') at++;
      if (line[at] === '}') break;
      label.lastIndex = at;
      const match = label.exec(line);
      if (match === null) return null;
      labels.set(
        match[1]!,
        match[2]!.replace(/\\./g, (pair) => escapes.get(pair) ?? pair),
      );
      at = label.lastIndex;
      ended = match[3] === '';
    }
    at++;
  }
  // What OpenMetrics puts behind ` # ` is an example of what was counted.
  const [value = '', timestamp = '0', ...more] = line
    .slice(at)
    .split(' # ', 1)[0]!
    .trim()
    .split(/[ \t]+/);
  const number = parseNumber(value);
  return number === null || parseNumber(timestamp) === null || more.length > 0
    ? null
    : { labels, value: number };
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const infinite = /^([+-]?)inf(?:inity)?$/i;

function parseNumber(text: string): number | null {
  if (decimal.test(text)) return Number(text);
  if (/^nan$/i.test(text)) return Number.NaN;
  const sign = infinite.exec(text)?.[1];
  return sign === undefined ? null : sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
