import { messageOf } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Absence } from '../absence.js';
import { milliseconds, type OpenSensor, type Sensor, systems } from '../sensor.js';
import { channelsOf, type MetricChannel, viewOf } from './metric-channels.js';
import {
  openScraper,
  type Scrape,
  ScrapeError,
  type Scraper,
  type ScrapeTarget,
  shownAddress,
} from './scrape.js';
import { processStart, wantedSamples } from './server-figures.js';

export interface ServerMetricsTarget extends ScrapeTarget {
  /** The number of this server in a fleet; 0 where it is left out. */
  replica?: number;
  /**
   * The GPUs that the server runs on, by DCGM's numbers of them; without it, all that are shown. None (`[]`) where they
   * are read on this machine, so that their energy is not counted twice.
   */
  gpus?: readonly string[];
  /** Whether what is shown is of this machine. */
  onThisMachine?: boolean;
}

const periodNs = milliseconds(500);
/** The sensor ends when so many scrapes in a row have failed over so long: a server that starts again takes a while. */
const mostFailures = 10;
const failingForNs = 60e9;
/** Reading the text is to take at most this share of the sampler's thread. */
const mostShare = 0.05;

/**
 * What a server, or NVIDIA's DCGM exporter beside it, counts of itself and shows over HTTP in Prometheus's format.
 *
 * A figure is of the moment halfway between asking and the beginning of the answer. The server answers between two steps
 * of its model, and writing the answer costs it time of its own: twice a second is a compromise. DCGM's exporter asks
 * the driver once in 30 s unless it is told otherwise, and shows the same figures in between.
 */
export function serverMetricsSensor(target: ServerMetricsTarget): Sensor {
  const { url, replica = 0, gpus } = target;
  const shown = shownAddress(url);
  return {
    name: target.replica === undefined ? 'server-metrics' : `server-metrics-${replica}`,
    platforms: systems,
    reads: `counters of the server, and energy, power and utilisation of its GPUs, as ${shown} shows them`,
    async open(clock) {
      let scraper: Scraper | null = null;
      try {
        scraper = openScraper(target, wantedSamples, clock);
        const first = whole(await scraper.scrape());
        const host = new URL(url).hostname;
        const answer = channelsOf(viewOf(first.reading, host), { device: `server-${replica}`, gpus });
        if ('reason' in answer) {
          scraper.close();
          return { reason: answer.reason, hint: `${shown}: ${answer.hint}` };
        }
        const { channels, missing } = answer;
        return { ...follow(scraper, channels, first, host, () => clock.now()), missing };
      } catch (error) {
        scraper?.close();
        return absenceOf(error);
      }
    },
  };
}

function follow(
  scraper: Scraper,
  metrics: readonly MetricChannel[],
  first: Scrape,
  host: string,
  now: () => Nanoseconds,
): Omit<OpenSensor, 'missing'> {
  const arrived: { values: number[]; atNs: Nanoseconds }[] = [];
  let asking = false;
  let notBeforeNs = 0;
  let started = startOf(first);
  let failures = 0;
  let workedNs = now();
  let failure = '';
  const take = (scrape: Scrape) => {
    const { reading, atNs } = whole(scrape);
    const anew = startOf(scrape) !== started;
    started = startOf(scrape);
    failures = 0;
    workedNs = atNs;
    notBeforeNs = now() + scrape.readingNs / mostShare;
    const view = viewOf(reading, host);
    arrived.push({ values: metrics.map(({ read }) => read(view, atNs, anew)), atNs });
  };
  const leaveGap = (error: unknown) => {
    failures++;
    failure = messageOf(error);
    arrived.push({ values: metrics.map(() => Number.NaN), atNs: now() });
  };
  take(first);
  return {
    channels: metrics.map(({ channel }) => channel),
    periodNs,
    // Nobody looks how often they change: each look is a request to the server.
    ticks: metrics.map(() => ({ counterPeriodNs: null, periodResolved: false })),
    arrives: true,
    read(sink) {
      for (const { values, atNs } of arrived.splice(0)) {
        for (const [channel, value] of values.entries()) sink.put(channel, value, atNs);
      }
      if (failures >= mostFailures && now() - workedNs >= failingForNs) {
        throw new Error(`no metrics for ${Math.round((now() - workedNs) / 1e9)} s: ${failure}`);
      }
      if (asking || now() < notBeforeNs) return;
      asking = true;
      scraper
        .scrape()
        .then(take)
        .catch(leaveGap)
        .finally(() => {
          asking = false;
        });
    },
    close: () => scraper.close(),
  };
}

/** Throws `ScrapeError` where a line that is wanted cannot be read: a sum without it would be wrong. */
function whole(scrape: Scrape): Scrape {
  const { malformed } = scrape.reading;
  if (malformed === 0) return scrape;
  throw new ScrapeError(
    'unsupported',
    `${malformed} lines of the metrics are not in Prometheus's text format`,
  );
}

/** Tells whether the server still runs that ran before. */
const startOf = ({ started, reading }: Scrape): string =>
  `${started} ${reading.samples.get(processStart)?.map(({ value }) => value)}`;

function absenceOf(error: unknown): Absence {
  return { reason: error instanceof ScrapeError ? error.reason : 'unsupported', hint: messageOf(error) };
}
