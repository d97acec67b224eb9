import { z } from 'zod';

/**
 * Values by names that others chose: `toString` and the like are names there as any other, so that a name that is
 * not there is `undefined`. `__proto__`, which zod would leave out without a word, is refused.
 */
export function namedRecord<Value extends z.ZodType>(value: Value) {
  return z.preprocess((found, context) => {
    if (typeof found === 'object' && found !== null && Object.hasOwn(found, '__proto__'))
      context.addIssue({ code: 'custom', message: 'no key may be called __proto__' });
    return found;
  }, z.record(z.string(), value).overwrite(withoutPrototype));
}

/** A copy that inherits nothing. */
function withoutPrototype<Type extends object>(record: Type): Type {
  return Object.assign(Object.create(null), record);
}
