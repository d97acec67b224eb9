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
const mostSamples = 10_000;
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
  /** The beginning of a line whose end has not come yet, as bytes. */
  #begun = '';
  /** That line is too long already, and is read over to its end. */
  #overlong = false;
  #kept = 0;
  #malformed = 0;
  #dropped = 0;

  constructor(wanted: ReadonlySet<string>) {
    this.#wanted = wanted;
  }

  push(chunk: Buffer): void {
    // A character a byte: finding lines and names in a string is several times quicker than in a buffer.
    const text = this.#begun + chunk.toString('latin1');
    let from = 0;
    for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
      this.#read(text, from, to);
      from = to + 1;
    }
    this.#begun = text.slice(from);
    if (this.#begun.length <= longestLine) return;
    const name = this.#begun.slice(0, endOfName(this.#begun, 0, this.#begun.length));
    if (!this.#overlong && this.#wanted.has(name)) this.#malformed++;
    this.#overlong = true;
    this.#begun = '';
  }

  /** What has been read, the last line included, which may lack its end. */
  end(): PrometheusReading {
    this.#read(this.#begun, 0, this.#begun.length);
    this.#begun = '';
    return {
      samples: this.#samples,
      declared: this.#declared,
      malformed: this.#malformed,
      dropped: this.#dropped,
    };
  }

  /** Reads the line of `text` from one place to another. */
  #read(text: string, from: number, to: number): void {
    if (this.#overlong) {
      this.#overlong = false;
      return;
    }
    if (text[from] === '#') {
      this.#declare(text.slice(from, Math.min(to, from + 256)));
      return;
    }
    const name = text.slice(from, endOfName(text, from, to));
    if (!this.#wanted.has(name)) return;
    const bytes = text.slice(from + name.length, to).trimEnd();
    const sample =
      to - from > longestLine ? null : parseSample(Buffer.from(bytes, 'latin1').toString('utf8'));
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

  #declare(line: string): void {
    const family = /^#[ \t]+TYPE[ \t]+(\S{1,200})[ \t]/.exec(line)?.[1];
    if (family === undefined) return;
    for (const suffix of suffixes) {
      if (this.#wanted.has(family + suffix)) this.#declared.add(family + suffix);
    }
  }
}

function endOfName(text: string, from: number, to: number): number {
  let end = from;
  // Up to a space, a tab or an opening brace.
  for (let code = text.charCodeAt(end); end < to && code !== 32 && code !== 9 && code !== 123; ) {
    code = text.charCodeAt(++end);
  }
  return end;
}

const label = /[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(,|(?=\}))/y;
const escapes = new Map([
  ['\\n', '\n'],
  ['\\"', '"'],
  ['\\\\', '\\'],
]);

/** Labels and value of a sample, by the line after its name; null where it is none. */
function parseSample(line: string): PrometheusSample | null {
  const labels = new Map<string, string>();
  let at = 0;
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
