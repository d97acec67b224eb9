import koffi from 'koffi';
import { TokenworkError } from '../../core/errors.js';
import type { LlamaDevice } from '../engine.js';
import { llamaGpus } from './devices.js';
import { type Address, type LlamaApi, llamaApi } from './library.js';

/** A GGUF model's weights, which every thread of the process can make contexts on. */
export class LlamaModel {
  readonly api: LlamaApi;
  readonly address: Address;
  readonly device: LlamaDevice;
  readonly vocabulary: Address;
  readonly vocabularySize: number;
  /** Whether cached positions can be dropped and shared one by one, as recurrent state cannot. */
  readonly hasPositions: boolean;
  readonly #owned: boolean;
  #closed = false;

  private constructor(address: Address, device: LlamaDevice, owned: boolean) {
    this.api = llamaApi();
    this.address = address;
    this.device = device;
    this.vocabulary = this.api.vocabularyOf(address);
    this.vocabularySize = this.api.vocabularySize(this.vocabulary);
    this.hasPositions = !this.api.isRecurrent(address) && !this.api.isHybrid(address);
    this.#owned = owned;
  }

  /**
   * Loads the files of a model, all layers of it onto the device; of a split model all parts in order. On the
   * CPU weights are mapped, unless they are rearranged for its instructions. Throws TokenworkError
   * `llama-unavailable`, `device-unavailable`, `device-out-of-memory` or `model-load-failed`.
   */
  static load(paths: readonly string[], device: LlamaDevice): LlamaModel {
    const api = llamaApi();
    // Ends with a null pointer; without a GPU it holds nothing else, so that none is taken.
    const devices = new BigUint64Array(64);
    if (device !== 'cpu') devices[0] = llamaGpus(device)[0]!.address;
    const params = {
      ...api.modelDefaults,
      devices: koffi.address(devices),
      n_gpu_layers: device === 'cpu' ? 0 : allLayers,
    };
    const names = paths.map((path) => Buffer.concat([Buffer.from(path), Buffer.alloc(64)]));
    const list = BigUint64Array.from([...names, ...Array(64).fill(null)], (name) =>
      name === null ? 0n : koffi.address(name),
    );
    const address =
      paths.length === 1 ? api.loadModel(paths[0]!, params) : api.loadParts(list, paths.length, params);
    if (address !== null) return new LlamaModel(address, device, true);
    if (device === 'cpu')
      throw new TokenworkError(
        'model-load-failed',
        `llama.cpp does not load ${paths[0]}.`,
        'See whether memory is enough, and whether llama.cpp knows its architecture; --verbose says more.',
      );
    throw new TokenworkError(
      'device-out-of-memory',
      `llama.cpp cannot load ${paths[0]} onto the GPU.`,
      'Take a smaller model or quantisation, end what else holds memory of the GPU, or run with --device cpu.',
    );
  }

  /** Takes part in the model at an address, which another thread closes after this one. */
  static share(address: Address, device: LlamaDevice): LlamaModel {
    return new LlamaModel(address, device, false);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#owned) this.api.freeModel(this.address);
  }
}

const allLayers = -1;
