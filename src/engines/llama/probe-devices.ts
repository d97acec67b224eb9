/**
 * Lists the devices that llama.cpp opens, in a process of its own: a driver may crash, hang or print as it likes.
 * Started by `probeLlama` with the files to load, as JSON.
 */

import { loadPinned } from '../pinned-library.js';
import { vulkanAdapters } from '../vulkan-adapters.js';
import { answerMark, type LlamaProbe } from './installation.js';
import type { LlamaFiles } from './packages.js';

const files = JSON.parse(process.argv[2]!) as LlamaFiles;
for (const file of files.preload) loadPinned(file);
const base = loadPinned(files.ggmlBase);
const ggml = loadPinned(files.ggml);
const count = ggml.func('size_t ggml_backend_dev_count()') as () => number;
const device = ggml.func('void *ggml_backend_dev_get(size_t index)');
const describe = base.func('str ggml_backend_dev_description(void *device)');
const kindOf = base.func('int ggml_backend_dev_type(void *device)');
const memoryOf = base.func('void ggml_backend_dev_memory(void *device, void *free, void *total)');

const adapters = files.backEnd?.includes('vulkan') ? vulkanAdapters() : [];
ggml.func('void ggml_backend_load_all_from_path(str folder)')(files.folder);
const own = count();
let loads = own > 0;
if (files.backEnd !== null) {
  // A CPU that acts as a Vulkan device is passed over unless it is asked for by number.
  if (adapters.length > 0 && adapters.every(({ kind }) => kind === 'software'))
    process.env.GGML_VK_VISIBLE_DEVICES ??= '0';
  loads = ggml.func('void *ggml_backend_load(str file)')(files.backEnd) !== null;
}
const kinds = ['software', 'discrete', 'integrated', 'unknown'] as const;
const answer: LlamaProbe = {
  loads,
  devices: Array.from({ length: count() - own }, (_, index) => {
    const at = device(own + index);
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    memoryOf(at, free, total);
    const name = describe(at) as string;
    return {
      ...{ name, kind: kinds[kindOf(at) as number] ?? 'unknown', memoryBytes: Number(total[0]) },
      ...{ largestBufferBytes: null, driver: null },
      ...adapters.find((adapter) => adapter.name === name),
    };
  }),
};
process.stdout.write(`\n${answerMark}${JSON.stringify(answer)}\n`);
// Not by returning: a driver's threads may keep the process.
process.exit(0);
