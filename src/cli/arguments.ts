import { InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { didYouMean } from '../core/did-you-mean.js';
import type { OptionRecord } from '../workload/options/option-record.js';

/** A declared option as commander takes it, parsed by its schema; `over` puts other words or a default in place. */
export function optionOf(
  declared: OptionRecord,
  over: Partial<Pick<OptionRecord, 'help' | 'default'>> = {},
): Option {
  const record = { ...declared, ...over };
  const option = new Option(record.flag, record.help);
  if (record.default !== undefined) option.default(record.default);
  const { value } = record;
  if (value instanceof z.ZodBoolean) return option;
  if (value instanceof z.ZodArray) return option.argParser(repeatable);
  return option.argParser(parserOf(record));
}

function parserOf({ value, least, most, expected }: OptionRecord): (text: string) => unknown {
  if (value instanceof z.ZodEnum) return oneOf(value.options.map(String));
  if (value instanceof z.ZodNumber && expected === undefined)
    return wholeNumber(least ?? (value.safeParse(0).success ? 0 : 1), most);
  return (text) => {
    const parsed = value.safeParse(value instanceof z.ZodNumber && text.trim() !== '' ? Number(text) : text);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(`Use ${expected ?? 'a text that is not empty'}.`);
  };
}

/** Parses an option that takes one of `choices`; a near miss is answered with the nearest of them. */
export function oneOf<Choice extends string>(choices: readonly Choice[]): (value: string) => Choice {
  return (value) => {
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Use one of ${choices.join(', ')}.${didYouMean(value, choices)}`);
  };
}

/** Parses a whole number from `minimum` to `maximum`. */
export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (value: string) => number {
  return (value) => {
    const number = Number(value);
    const sound = value.trim() !== '' && Number.isInteger(number);
    if (sound && number >= minimum && number <= maximum) return number;
    const range =
      maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
    throw new InvalidArgumentError(`Use a whole number ${range}.`);
  };
}

/** Collects a repeatable option into a list. */
export function repeatable(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** Parses `name=1,3,224,224` (one input of an ONNX graph and its shape) into a record, repeatable. */
export function inputShape(
  value: string,
  before: Record<string, number[]> | undefined,
): Record<string, number[]> {
  const at = value.lastIndexOf('=');
  const dims =
    at < 1
      ? []
      : value
          .slice(at + 1)
          .split(',')
          .map(Number);
  if (dims.length === 0 || dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) {
    throw new InvalidArgumentError('Use NAME=D1,D2,… with whole numbers, such as input=1,3,224,224.');
  }
  return Object.fromEntries([...Object.entries(before ?? {}), [value.slice(0, at), dims]]);
}

/** Parses `name=0` or `name=1,2` (elements of one input of an ONNX graph) into a map, repeatable. */
export function inputValues(
  value: string,
  before: ReadonlyMap<string, number[]> | undefined,
): ReadonlyMap<string, number[]> {
  const at = value.lastIndexOf('=');
  const texts = at < 1 ? [] : value.slice(at + 1).split(',');
  const elements = texts.map((text) => (text === 'true' ? 1 : text === 'false' ? 0 : Number(text || 'x')));
  if (elements.length === 0 || !elements.every(Number.isFinite)) {
    throw new InvalidArgumentError('Use NAME=VALUE or NAME=V1,V2,… with numbers, true or false.');
  }
  return new Map(before).set(value.slice(0, at), elements);
}
