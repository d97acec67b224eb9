import type { Dialect } from '../endpoint.js';
import { llamaServer } from './llama-server.js';
import { ollama } from './ollama.js';
import { openai } from './openai.js';
import { sglang } from './sglang.js';
import { tensorrtLlm } from './tensorrt-llm.js';
import { tgi } from './tgi.js';
import { vllm } from './vllm.js';

/**
 * All kinds of servers, those that say so themselves first. SGLang stands before Ollama, whose paths it answers
 * too; the last recognises every server.
 */
export const dialects: readonly Dialect[] = [llamaServer, sglang, vllm, tensorrtLlm, tgi, ollama, openai];
