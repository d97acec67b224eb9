import { describe, expect, it } from 'vitest';
import { findingsOf } from '../findings.js';
import { type SimulatedCell, simulateResult } from '../simulated-result.test-support.js';
import { exact, found, guarded, lengths, visible } from './hidden-work.test-support.js';

describe('hidden work', () => {
  it('is the share of the stages that bill nothing, over the run, by pipeline and by cell', () => {
    const hidden = found(guarded(() => [{ name: 'safety', cost: 50, tokens: 50 }]));
    expect(hidden.value).toBeCloseTo(250 / (visible + 250), 10);
    expect([hidden.low, hidden.high]).toEqual([hidden.value, hidden.value]);
    expect(hidden.byPipeline).toEqual([
      expect.objectContaining({
        pipeline: 'guarded',
        value: expect.closeTo(250 / (visible - 256 + 250), 10),
      }),
      expect.objectContaining({ pipeline: 'plain', value: 0 }),
    ]);
    expect(hidden.byCell![0]).toMatchObject({
      cell: 'cell-0',
      value: expect.closeTo(50 / (50 + 16 + 128), 10),
    });
  });

  it('holds what a visible stage does on positions that are not billed', () => {
    const hidden = found(guarded(() => [{ name: 'speculation', cost: 30, billed: 10, tokens: 40 }]));
    expect(hidden.value).toBeCloseTo((5 * 30 * 0.75) / (visible + 150), 10);
  });

  it('scores the visibility of the run: its stages’ visible shares by their work', () => {
    const { visibilityScore } = found(guarded(() => [{ name: 'safety', cost: 50, tokens: 50 }]));
    // Decode's tokens do not vary, so nothing speaks against its 128.
    expect(visibilityScore).toBeCloseTo(visible / (visible + 250), 6);
  });

  it('has an interval that covers the truth in 17 of 20 runs in which a check runs by chance', () => {
    const cells = guarded((prompt) => [{ name: 'review', cost: prompt, tokens: prompt, chance: 0.4 }]);
    const expected =
      0.4 * lengths.filter((prompt) => prompt !== 128).reduce((sum, prompt) => sum + prompt, 0);
    const truth = expected / (expected + visible);
    const intervals = Array.from({ length: 20 }, (_, draw) =>
      found(cells, { seed: draw + 1, repetitions: 20, noise: 0.1 }, { design: 'fixed' }),
    );
    expect(
      intervals.filter(({ low, high }) => low! <= truth && truth <= high!).length,
    ).toBeGreaterThanOrEqual(17);
  });
});

describe('the misbilled share with and without a stage', () => {
  const misbilling = (cells: readonly SimulatedCell[], simulation = exact) => {
    const findings = findingsOf(simulateResult(cells, simulation), { resamples: 400 });
    const { byStage: stages, onePrice } = findings.hiddenWork.cpuTime!.misbilling!;
    const byStage = new Map(stages.map((own) => [own.stage, own]));
    return { byStage, onePrice, whole: findings.uniformity.cpuTime!.misbilledShare };
  };

  it('is nothing without the only stage that is not as billed, which contributes all of it', () => {
    const everywhere = guarded().map((cell) => ({
      ...cell,
      stages: [{ name: 'safety', cost: 300, tokens: 300 }, ...cell.stages!],
    }));
    const { byStage, onePrice, whole } = misbilling(everywhere);
    expect(whole.value!).toBeGreaterThan(0.05);
    expect(byStage.get('safety')!.without.value).toBeLessThan(1e-9);
    expect(byStage.get('safety')!.without.verdict).toBe('not distinguishable');
    expect(byStage.get('safety')!.contribution).toBeCloseTo(whole.value!, 10);
    for (const stage of ['prefill', 'decode']) expect(byStage.get(stage)!.contribution).toBeCloseTo(0, 10);
    expect(onePrice).toBeCloseTo(0, 10);
  });

  it('lays tokens of unlike cost at the door of their one price, and not of their stages', () => {
    const cells = lengths.map((prompt) => ({
      promptTokens: prompt,
      completionTokens: 128,
      rate: 1,
      stages: [
        { name: 'prefill', cost: prompt, billed: prompt },
        { name: 'decode', cost: 5 * 128, billed: 128 },
      ],
    }));
    const { byStage, onePrice, whole } = misbilling(cells);
    expect(whole.value!).toBeGreaterThan(0.1);
    expect(onePrice).toBeCloseTo(whole.value!, 10);
    expect(byStage.get('decode')!.contribution).toBeCloseTo(0, 10);
  });

  it('gives nothing to a stage whose work is spread as the bill, and less than nothing to one that evens out', () => {
    const cells = lengths.map(
      (prompt): SimulatedCell => ({
        promptTokens: prompt,
        completionTokens: 128,
        rate: 1,
        stages: [
          { name: 'fair', cost: prompt + 128, billed: prompt + 128 },
          { name: 'flat', cost: 400 },
          // Costs least where the flat one weighs most.
          { name: 'opposite', cost: 0.5 * prompt },
        ],
      }),
    );
    const { byStage, onePrice, whole } = misbilling(cells);
    expect(byStage.get('fair')!.contribution).toBeCloseTo(0, 10);
    const parts = [...byStage.values()].map(({ contribution }) => contribution!);
    expect(parts.reduce((sum, part) => sum + part, onePrice!)).toBeCloseTo(whole.value!, 10);
    expect(byStage.get('opposite')!.contribution!).toBeLessThan(0);
    expect(byStage.get('opposite')!.without.value!).toBeGreaterThan(whole.value!);
  });

  it('says of noise that it is noise', () => {
    const { byStage } = misbilling(
      guarded(() => [{ name: 'safety', cost: 300, tokens: 300 }]),
      {
        seed: 3,
        repetitions: 5,
        noise: 0.05,
      },
    );
    expect(byStage.get('safety')!.without).toMatchObject({ verdict: 'not distinguishable' });
    expect(byStage.get('safety')!.without.noiseFloor!).toBeGreaterThan(0);
    expect(byStage.get('prefill')!.without.verdict).toBe('non-uniform');
  });

  it('has no share without the only stage', () => {
    const cells = lengths.map((prompt) => ({
      promptTokens: prompt,
      completionTokens: 1,
      rate: 1,
      stages: [{ name: 'prefill', cost: prompt, billed: prompt + 1 }],
    }));
    const { byStage } = misbilling(cells);
    expect(byStage.get('prefill')!.without).toMatchObject({ value: null, reason: expect.any(String) });
  });
});
