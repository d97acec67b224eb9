/** Number formats a decoder's weights may have, and how their files are named in transformers.js layout. */
export const dtypes = ['fp32', 'fp16', 'int8', 'q4'] as const;

/**
 * `fp16` also stores the KV cache in half precision; `int8` and `q4` quantise the matrix products in
 * blocks of 32 weights with one fp32 scale each (9 and 5 bits a weight) and compute in fp32.
 */
export type Dtype = (typeof dtypes)[number];

const fileNames: Record<Dtype, string> = {
  fp32: 'model.onnx',
  fp16: 'model_fp16.onnx',
  int8: 'model_int8.onnx',
  q4: 'model_q4.onnx',
};

/** The name transformers.js looks for in a model folder's `onnx/`. */
export function onnxFileName(dtype: Dtype): string {
  return fileNames[dtype];
}

/** File formats that a recipe is built in: for the ONNX engine, or for llama.cpp. */
export const modelFormats = ['onnx', 'gguf'] as const;
export type ModelFormat = (typeof modelFormats)[number];
