/** Runs against played servers, closed after each test. Imported by tests only. */
import { afterEach } from 'vitest';
import { TokenworkError } from '../../core/errors.js';
import type { ServerKind } from '../../core/records/server.js';
import { type PlayedCounts, players, scriptOf } from '../../engines/endpoint/dialects/player.test-support.js';
import {
  type PlayedAnswer,
  type PlayedRequest,
  type PlayedServer,
  type PlayOptions,
  playServer,
  type Script,
} from '../../engines/endpoint/played-server.test-support.js';
import type { BenchOptions } from '../options.js';
import { bench, out, writeSuite } from './driven-bench.js';

const closes: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closes.splice(0).map((close) => close()));
});

export async function play(script: Script, options?: PlayOptions): Promise<PlayedServer> {
  const server = await playServer(script, options);
  closes.push(() => server.close());
  return server;
}

/** What every request to a played server has. */
const counts: PlayedCounts = { prompt: 8, cached: 0, completion: 4, reasoning: 0 };
export const chat = 'POST /v1/chat/completions';

/** A server of that kind that answers each request whole, beside what `more` says. */
export const playKind = (kind: ServerKind, more: Script = {}, options?: PlayOptions) =>
  play({ ...(scriptOf(players[kind], counts) as Script), ...more }, options);

export const whole: PlayedAnswer = {
  pieces: players.openai.stream('chat', counts).chunks,
};

/** One answer to each request in turn, the last to all that follow. */
export const inTurn =
  (answers: readonly PlayedAnswer[]) =>
  (_: unknown, nth: number): PlayedAnswer =>
    answers[Math.min(nth, answers.length - 1)]!;

/** A suite of one cell, whose requests are as `counts` says. */
export const oneCell = (repetitions: number) =>
  writeSuite(`one-cell-${repetitions}`, {
    models: [{ model: 'served' }],
    design: [{ promptTokens: [counts.prompt], completionTokens: [counts.completion] }],
    repetitions,
  });

/** A run without sensors and warm-up, so that requests are answered in their order. */
export const benchServed = (options: Partial<BenchOptions>) =>
  bench({ suite: oneCell(1), out, sensors: 'none', warmup: 0, ...options, ...local });
/** Options of runs in this process, which one on servers refuses. */
const local = { backend: undefined };

/** Exit code, code, message and hint of what a run is refused with, as one text. */
export async function refusal(options: Partial<BenchOptions>): Promise<string> {
  const thrown = await benchServed(options).then(
    () => 'it ran',
    (error: unknown) => error,
  );
  if (!(thrown instanceof TokenworkError)) throw thrown;
  return `${thrown.exitCode} ${thrown.code}: ${thrown.message} ${thrown.hint}`;
}

/** Paths of what a server was asked to generate. */
export const posts = ({ requests }: PlayedServer): PlayedRequest[] =>
  requests.filter(({ method }) => method === 'POST');
