/**
 * Exit codes of the command line; the numbers are documented in README and never reused.
 *
 * @example
 * ```js
 * await bench({ repetitions: 0 }).catch((thrown) => {
 *   console.log(thrown.exitCode === exitCode.unusableInput); // true
 * });
 * ```
 */
export const exitCode = { done: 0, thresholdCrossed: 1, unusableInput: 2, incomplete: 3 } as const;
/** One of the exit codes of the command line. */
export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** Errors that arguments, files or the machine's state explain: the command ends with 2, and nothing was lost. */
const unusableInput = {
  'all-logits-unavailable':
    'Draft and verify needs logits of every position, and the graph gives the last only.',
  'bad-config': "A model's config.json describes no model that tokenwork can run.",
  'bad-endpoint': 'HF_ENDPOINT is no URL.',
  'bad-gguf': 'A GGUF file is cut short, damaged, or of a version that is not read.',
  'bad-hub-spec': 'A model of the hub is not named hf:OWNER/NAME or hf:OWNER/NAME@REVISION.',
  'bad-journal': 'A line of a journal cannot be read.',
  'bad-option': 'Options contradict each other, or one does not apply.',
  'bad-pipeline': 'A pipeline file does not fit its schema or its rules.',
  'bad-prefix-cache': 'A prefix cache is asked to share what cannot be shared.',
  'bad-prompt': 'A prompt that a workload names, or a line of a file of prompts, cannot be read.',
  'bad-recipe': "A shape recipe does not fit the recipes' schema.",
  'bad-result': "A result file does not fit the result's schema.",
  'bad-sampling': 'Temperature, top-k or seed of the choice of tokens is out of range.',
  'bad-session': 'A recorded session of sensors cannot be played to its end.',
  'bad-speculation': 'Draft and verify has lengths or acceptances that do not fit.',
  'bad-step': 'The pass to count has lengths that do not fit.',
  'bad-suite': 'A suite file does not fit its schema or its rules.',
  'bad-terms': 'A list of terms for the lexical safety filter cannot be read.',
  'bad-threshold': 'A threshold of --fail-on cannot be read.',
  'bad-tokenizer': "A model's tokenizer cannot be loaded.",
  'bad-trace': 'A line of a recorded trace cannot be read.',
  'bad-usage': 'A line of a log of usage cannot be read.',
  'bad-vector-index': 'A vector index has sizes that do not fit.',
  'binding-unavailable': "ONNX Runtime's Node binding does not load.",
  'build-unconfirmed': 'Models of gigabytes would be built, and nobody has agreed to that.',
  'cache-unwritable': 'The model cache cannot be written to.',
  'context-exceeded': "A request is longer than the model's context.",
  'cost-not-polynomial': 'The cost of a pass of this graph is no polynomial in its lengths.',
  'device-memory-too-small': 'No model of the workload fits into the memory of the GPU.',
  'device-needs-native': "A GPU was asked for together with ONNX Runtime's Node binding, which has none.",
  'device-parity': 'Logits on the GPU are not those of the CPU.',
  'device-unavailable': 'The GPU that was asked for does not open.',
  'device-wrong': 'The GPU that was asked for multiplies wrongly.',
  'different-workloads': 'Results that are to be compared are of different workloads.',
  'disk-too-small': 'The disk has too little space for the models that are to be built.',
  'download-truncated': 'A file that was downloaded is shorter than the hub said.',
  'draft-vocabulary': "A draft model's vocabulary is not the target model's.",
  'dtype-missing': 'A model has no graph of the dtype that was asked for.',
  'empty-journal': 'A journal has no header: its run ended before the first request.',
  'empty-prompt': 'A prompt has no tokens.',
  'empty-result': 'A result has no requests, and so nothing to report.',
  'empty-trace': 'A recorded trace has no requests.',
  'empty-usage': 'A log holds no usage of any request.',
  'encoder-head': 'An encoder has another head than its stage needs.',
  'external-data-missing': 'Weights that a model keeps in files beside it are missing.',
  'external-data-truncated': 'Weights that a model keeps in files beside it are cut short.',
  'graph-variant-unsupported': 'A shape cannot be built as that graph variant.',
  'gguf-part-missing': 'A part of a split GGUF model is not beside the others.',
  'gpu-needed': 'A suite is for a GPU, and there is none.',
  'graph-too-costly': 'Functions or loops of a graph repeat more nodes than an analysis follows.',
  'hub-forbidden': 'The hub refuses a repository to this user.',
  'hub-not-found': 'The hub has no such repository or revision.',
  'hub-unauthorised': 'A repository of the hub does not exist, or is private or gated.',
  'inconsistent-result': 'Parts of a result contradict each other.',
  'invalid-step': 'A pass has a shape that the engine cannot run.',
  'journal-exists': 'The journal of a run that was cut short lies where a new one should begin.',
  'journal-in-use': 'Another process writes to the journal.',
  'json-broken': 'A file is no JSON.',
  'json-missing': 'A JSON file does not exist.',
  'json-not-an-object': 'A JSON file holds something other than an object.',
  'json-unreadable': 'A JSON file cannot be read.',
  'llama-unavailable': 'The library of llama.cpp is not installed, does not load or is of another version.',
  'model-empty': 'A model file is empty.',
  'model-load-failed': 'A worker could not open its model.',
  'model-missing': 'A model file does not exist.',
  'model-not-found': 'ONNX Runtime finds no model at the path.',
  'model-not-gguf': 'A model is ONNX, and was asked to be run by llama.cpp.',
  'model-not-onnx': 'A file is not an ONNX model.',
  'model-truncated': 'A model file is cut short.',
  'model-unreadable': 'A model file cannot be read.',
  'model-unsupported': 'ONNX Runtime cannot run the graph.',
  'nan-logits': 'Logits are not numbers, so no token can be chosen.',
  'native-unavailable': "ONNX Runtime's C API does not load.",
  'no-config': 'A model folder has no config.json.',
  'no-journal': 'There is no journal of a run to go on with.',
  'no-model': 'No model was named for a trace.',
  'no-onnx': 'There is no ONNX graph of a decoder in a folder or repository.',
  'no-session': 'There is no recorded session of sensors at the path.',
  'no-such-model': 'A result has no model of that id.',
  'no-tokenizer': 'A model has no tokenizer, and the request needs one.',
  'not-a-decoder': 'A graph is no decoder with a KV cache.',
  'not-a-folder': 'A path is no folder.',
  'not-a-recipe': 'A model has weights of its own, so there is nothing to build.',
  'not-a-result': 'A file is no result of tokenwork.',
  'not-an-encoder': 'A graph is no encoder of texts.',
  'not-built': 'A model has not been built yet.',
  'nothing-in-common': 'Results that are to be compared share no cell.',
  'nothing-to-run': 'No cell of the workload can be run by any of its models.',
  'page-assets-missing': 'The scripts of the HTML page are missing from the installation.',
  'prefix-cache-unsupported': 'A prefix cache was asked for with a model that keeps no positions.',
  'prefix-cache-too-large': 'A prefix cache does not fit into memory.',
  'result-too-large': 'A result file is larger than a text can be.',
  'result-too-new': 'A result was written by a newer tokenwork.',
  'resume-differs': 'A run cannot go on under other options, models or devices than it began with.',
  'run-in-progress': 'Another run is being measured in this process.',
  'shape-missing': "An input's shape is needed to count a graph.",
  'shape-needed': 'Input shapes must be given to count this graph.',
  'shape-unknown-input': 'A shape was given for an input that the graph does not have.',
  'shapes-do-not-fit': 'Shapes inside a graph contradict each other.',
  'shared-session-threads': 'A session that workers share cannot have several intra-op threads.',
  'side-differs': 'Results that are given as one side of a comparison are of different settings.',
  'speculation-batch': 'Draft and verify takes one sequence at a time, and the request is a batch.',
  'speculation-unsupported':
    'Draft and verify was asked for with a model that cannot drop its last positions.',
  'threshold-untestable': 'A threshold of --fail-on cannot be tested with these results.',
  'token-out-of-vocabulary': "A token id is beyond the model's vocabulary.",
  'tokenizer-mismatch': 'A tokenizer gives other tokens than the request needs.',
  'tokenizer-missing': 'A stage needs a tokenizer, and the model has none.',
  'too-many-requests': 'More requests are asked for than a run can plan.',
  'trace-changed': 'A trace no longer holds the requests that a run began with.',
  'unknown-backend': "The environment names a back end that doesn't exist.",
  'unknown-model': 'No recipe, folder or repository goes by that name.',
  'unknown-pipeline': 'No shipped pipeline goes by that name.',
  'unknown-topic': 'No command, metric or statistic goes by that name.',
  'unknown-suite': 'No shipped suite goes by that name.',
  'unreadable-pipeline': 'A pipeline file cannot be read.',
  'unreadable-prompts': 'A file or folder of prompts cannot be read.',
  'unreadable-suite': 'A suite file cannot be read.',
  'unreadable-trace': 'A recorded trace cannot be read.',
  'unreadable-usage': 'A log of usage cannot be read.',
  'unsupported-architecture': 'The architecture of a model is none that tokenwork knows.',
  'unwritable-output': 'A file cannot be written where it was asked for.',
  'vector-index-full': 'A vector index has no place left.',
  'vector-misfit': 'A vector has another length than its index.',
  'worker-failed': 'A worker thread did not start.',
} as const;

/** Errors that cut a command short: it ends with 3; what was measured is kept, and the message says where. */
const incomplete = {
  aborted: 'The user stopped a download, a build, a checksum or a count.',
  'command-failed': 'A command that `diff --run` ran ended with an error or wrote no result.',
  'device-limit': 'A tensor is larger than the GPU takes through this interface.',
  'device-lost': 'The GPU stopped answering.',
  'device-out-of-memory': 'The GPU ran out of memory.',
  'disk-full': 'The disk is full.',
  'download-damaged': 'A download arrived, and does not hold what it should.',
  'download-failed': 'A download failed.',
  'download-interrupted': 'A download broke off.',
  'engine-failed': 'ONNX Runtime failed while it ran a pass.',
  'hub-error': 'The hub answered with an error.',
  'hub-unreachable': 'The hub cannot be reached.',
  interrupted: 'The run was stopped.',
  'journal-unwritable': 'The journal can no longer be written.',
  'nothing-measured': 'Every request failed.',
  'result-unwritable': 'The result could not be written; its journal is kept.',
  'sampler-failed': 'The thread that samples the sensors did not start.',
  'stdout-unwritable': 'Standard output cannot be written.',
  terminated: 'A request was stopped while it ran.',
} as const;

/** Every code of a TokenworkError, with its meaning. */
export const errorCodes = { ...unusableInput, ...incomplete };
/** The code of a TokenworkError. */
export type ErrorCode = keyof typeof errorCodes;

/** The exit code of the command line after an error. */
export function exitCodeOf(code: ErrorCode): ExitCode {
  return code in incomplete ? exitCode.incomplete : exitCode.unusableInput;
}

/** Codes of failed requests beside those of errors: what the run, and not the engine, says of a request. */
export const failureCodes = {
  'deadline-exceeded': 'The request did not finish before its deadline.',
  'process-crashed': 'The process died both times that it ran the request.',
  'request-failed': 'The request failed for a reason that has no code.',
  'worker-crashed': 'The worker died while it ran the request.',
  'worker-hung': 'The worker took no step for so long that it was ended.',
} as const;
export type FailureCode = ErrorCode | keyof typeof failureCodes;

/** Every code of a warning, with its meaning. */
export const warningCodes = {
  'answers-capped': "Answers to prompts were cut to what the model's context leaves.",
  'attribution-untested': 'No concurrent requests ran long enough to test how counters are shared.',
  'attribution-unvalidated': 'Sharing of counters was to be tested, and the requests alone are missing.',
  'backend-mismatch': "Native back end and Node binding differ in their logits, so the binding's were used.",
  'backend-unchecked': 'The back ends could not be compared in time, so the Node binding was used.',
  'beyond-context': "Cells longer than the model's context were left out.",
  'beyond-device-memory': 'Models or cells that do not fit into the memory of the GPU were left out.',
  'busy-neighbours': 'Other processes used the processor or the GPU meanwhile.',
  'cells-left-out': 'Cells that only one of the compared results has were left out.',
  'cpu-fallback': 'Parts of a graph that should run on the GPU ran on the CPU.',
  'device-shared': 'Concurrent requests took turns on one GPU.',
  'dtype-chosen': 'A model has several dtypes, and one was chosen.',
  'drift-not-covered': 'The compared sides were not run in turn, so drift between them is not covered.',
  'dynamic-control-flow': 'A graph has branches or loops that were counted in part.',
  'energy-partial': 'Energy was read of some devices only.',
  'energy-unavailable': 'Windows were too short for their energy to be told.',
  'few-repetitions': 'Too few repetitions to tell a difference of the size that matters.',
  'figures-lost': 'Figures of some requests were lost, because a sensor stopped.',
  'gpu-processes-hidden': 'Other processes on the GPU cannot be seen from here.',
  'gpu-split': 'The GPU is split, so that its energy is not that of the run alone.',
  'graph-variant-replaced': 'A graph variant that the GPU computes wrongly was replaced by another.',
  'inventory-partial': 'What machine this is could not be asked in full: a tool did not answer in time.',
  'ledger-mismatch': "A request's stages do not add up to the request.",
  'machine-changed': 'A run went on on another machine than it began on.',
  'measured-busy':
    'A compared result is of a busy or throttled machine, so intervals are wider or verdicts withheld.',
  'messages-joined': 'A model has no chat template, so messages were joined into one text.',
  'model-left-out': 'A model of the workload was left out.',
  'not-counted': "Part of a model's graph could not be counted, so its FLOPs and bytes are left out.",
  'no-batch': 'Cells whose stages take one sequence at a time were left out of the batches.',
  'nvidia-smi-failed': 'The driver of NVIDIA GPUs did not tell of them.',
  'nvidia-smi-says': 'Warnings stood beside the answer of nvidia-smi.',
  'over-budget': 'Cells were left out, as all would take longer than the budget of the suite.',
  oversubscribed: 'More threads compute than the machine has cores.',
  'parity-mismatch': 'A model was measured although its logits on the GPU are not those of the CPU.',
  'parity-unchecked': 'Logits on the GPU could not be held against those of the CPU.',
  'prompts-left-out': 'Conversations of a file of prompts in which nobody asks were left out.',
  'recorded-sensors': 'Sensors were played from a recording, and are not of this machine.',
  'recording-cut-short': 'A recording of the sensors could not be written to its end.',
  'recording-restarted': 'A recording was played from its beginning again when the run went on.',
  'requests-failed': 'Some requests failed.',
  resumed: 'The run was cut short and went on.',
  'sampler-died': 'The thread that samples the sensors died.',
  'sampler-failed': 'The thread that samples the sensors did not start.',
  'samples-dropped': 'Samples were dropped, because they were not taken up in time.',
  'sensor-lost': 'A sensor stopped answering.',
  'shapes-unresolved': 'Shapes inside a graph are not known, so its costs are counted in part.',
  'software-adapter': 'The GPU is a CPU in disguise.',
  throttled: 'Heat, a power brake or a CPU quota held the machine back while requests ran.',
  'tool-changed': 'A run went on under another version of tokenwork than it began with.',
  'trace-blocks-missing': 'Prompts of a trace have fewer hash_ids than blocks.',
  'trace-clipped': "Requests of a trace were shortened to the model's context.",
  'trace-failures-left-out': 'Requests of a trace that had failed when it was recorded were left out.',
  'trace-sorted': 'Requests of a trace that stood after later ones were sorted by time.',
  'trace-without-times': 'Requests of a trace wait for answers, so that it is taken to have no times.',
  'unknown-ops': 'A graph has operators whose cost is not known.',
  'warm-up-unsettled': 'Requests had not settled when the warm-up ended.',
  'weights-synthesised': 'A config.json without weights was given random ones.',
} as const;
export type WarningCode = keyof typeof warningCodes;

/**
 * A warning as tokenwork raises it. One that is read back from a result may hold a code of another version:
 * the schema of results takes any text there.
 */
export interface Warning {
  code: WarningCode;
  message: string;
  hint: string;
}
