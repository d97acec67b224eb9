import { describe, it } from 'vitest';
import { expectOnDemandAsAll, expectStepsAsWhole, kindsOf } from './decoder-kinds.test-support.js';

describe('a built decoder', () => {
  const everyKind = kindsOf(['fp16', 'int8', 'q4']);

  it.each(everyKind)(
    '$architecture, $graphVariant, $dtype: a prompt in steps gives the logits of the whole',
    expectStepsAsWhole,
  );

  it.each(everyKind)(
    '$architecture, $graphVariant, $dtype: logits on demand are those of all positions, bit by bit',
    expectOnDemandAsAll,
  );
});
