import { describe, expect, it } from 'vitest';
import { AnswerAccount, cameAtOnce } from './answer-account.js';
import type { EventReading, Generation, TokenUsage } from './endpoint.js';

const nothing: EventReading = {
  ...{ text: '', reasoning: '', tokensSoFar: null, finishReason: null },
  ...{ usage: null, times: null, error: null, isLast: false },
};
const used = (completion: number): TokenUsage => ({
  ...{ prompt: 1, completion, cached: null, reasoning: null, drafted: null, accepted: null, from: 'usage' },
});

/** The account of events that come at these times. */
function account(...events: [atNs: number, Partial<EventReading>][]): AnswerAccount {
  const kept = new AnswerAccount();
  for (const [atNs, event] of events) kept.take({ ...nothing, ...event }, atNs);
  return kept;
}

describe('the times of an answer', () => {
  it('begin with text of any channel, and not with a role, a ping or usage', () => {
    const kept = account([10, {}], [20, { reasoning: 'hm' }], [30, { text: 'a' }], [40, { usage: used(2) }]);
    expect(kept).toMatchObject({ firstTokenNs: 20, answerNs: 30, lastTokenNs: 30, events: 2 });
  });

  it('end with a token that has no text', () => {
    const kept = account([10, { text: 'a', tokensSoFar: 1 }], [30, { tokensSoFar: 2, usage: used(2) }]);
    expect(kept).toMatchObject({ firstTokenNs: 10, lastTokenNs: 30 });
    expect(kept.gaps()).toEqual([20]);
  });
});

describe('token gaps', () => {
  it('are known where there are as many events with text as tokens', () => {
    expect(account([10, { text: 'a' }], [30, { text: 'b' }], [35, { usage: used(2) }]).gaps()).toEqual([20]);
  });

  it('are known where the count rises by one, whatever text comes with it', () => {
    const half = account(
      [10, { text: 'a', tokensSoFar: 1 }],
      [20, { tokensSoFar: 2 }],
      [25, { text: 'ü', tokensSoFar: 3, usage: used(3) }],
    );
    expect(half.gaps()).toEqual([10, 5]);
  });

  it.each([
    ['events are fewer than tokens', account([10, { text: 'ab' }], [30, { text: 'c', usage: used(3) }])],
    ['events are more than tokens', account([10, { text: 'a' }], [30, { text: 'b', usage: used(1) }])],
    [
      'one brought two tokens',
      account([10, { text: 'a', tokensSoFar: 1 }], [30, { text: 'bc', tokensSoFar: 3, usage: used(3) }]),
    ],
    [
      'the count began before the text',
      account([10, { tokensSoFar: 1 }], [30, { text: 'ü', tokensSoFar: 2, usage: used(2) }]),
    ],
    ['the end told another count', account([10, { text: 'a', tokensSoFar: 1, usage: used(2) }])],
    ['nothing told the tokens', account([10, { text: 'a' }], [30, { text: 'b' }])],
  ])('are null where %s', (_, kept) => {
    expect(kept.gaps()).toBeNull();
  });

  it('are none of one token', () => {
    expect(account([10, { text: 'a', usage: used(1) }]).gaps()).toEqual([]);
  });
});

describe('usage', () => {
  it('that comes twice counts once', () => {
    expect(account([1, { usage: used(3) }], [2, { usage: used(3) }]).usage?.completion).toBe(3);
  });
});

describe('cameAtOnce', () => {
  const came = (firstTokenNs: number, lastTokenNs: number, completion: number): Generation => ({
    outcome: { status: 'ok' },
    times: { sentNs: 0, firstTokenNs, answerNs: firstTokenNs, lastTokenNs, endedNs: lastTokenNs },
    ...{ usage: used(completion), clientTokens: null, events: completion, tokenGapsNs: null },
    ...{ serverTimes: null, finishReason: 'length', replica: null, retries: 0 },
  });

  it('holds of an answer that was kept back for a second', () => {
    expect(cameAtOnce(came(1e9, 1e9 + 50_000, 100))).toBe(true);
  });

  it.each([
    ['streamed at 50 tokens/s', came(1e9, 3e9, 100)],
    ['of the fastest model, 0.3 ms a token, after a long prompt', came(1e9, 1e9 + 30e6, 100)],
    ['of a few tokens', came(1e9, 1e9, 3)],
    ['that took less time than any model', came(1e6, 1e6, 100)],
  ])('does not hold of an answer %s', (_, generation) => {
    expect(cameAtOnce(generation)).toBe(false);
  });
});
