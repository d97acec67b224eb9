import koffi from 'koffi';
import { type Address, cFunction } from './library.js';

/**
 * Flags by which decoders are stopped inside a step. llama.cpp asks a C function with an address whether to
 * go on, from whichever thread computes, where no JavaScript may run. So it asks `atoi`, and the address is a
 * text that says "0" or "1". Flags of closed decoders are used again and never freed: another thread may still
 * hold the address to stop a step by.
 */
const idle: Address[] = [];

export function takeFlag(): Address {
  const flag: Address = idle.pop() ?? allocated();
  lowerFlag(flag);
  return flag;
}

export function giveBackFlag(flag: Address): void {
  idle.push(flag);
}

export function lowerFlag(flag: Address): void {
  koffi.encode(flag, 'uint8_t', zero);
}

/** Stops the step that goes on with this flag, or the next one; callable from any thread of the process. */
export function raiseFlag(flag: Address): void {
  koffi.encode(flag, 'uint8_t', one);
}

/** The parameters of a context that ask it. */
export function abortParams(flag: Address): { abort_callback: Address; abort_callback_data: Address } {
  return { abort_callback: cFunction('atoi'), abort_callback_data: flag };
}

const zero = 0x30;
const one = 0x31;

function allocated(): Address {
  const libc = process.platform === 'win32' ? koffi.load('msvcrt.dll') : koffi.load(null);
  return libc.func('calloc', 'void *', ['size_t', 'size_t'])(1, 8);
}
