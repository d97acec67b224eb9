import koffi from 'koffi';
import type { CacheDtype } from '../../../models/graph-input.js';
import { widenHalf } from '../../../models/half.js';
import type { Address } from './api.js';
import { elementBytes, type NativeSession } from './session.js';

/** A copy in fp32 of an output that ONNX Runtime allocated; the caller still releases it. */
export function readFloats(session: NativeSession, value: Address, dtype: CacheDtype): Float32Array {
  const { elements, address } = session.tensorData(value);
  const buffer = koffi.view(address, elements * elementBytes[dtype]);
  if (dtype === 'fp32') return new Float32Array(buffer).slice();
  const wide = new Float32Array(elements);
  widenHalf(new Uint16Array(buffer), wide);
  return wide;
}
