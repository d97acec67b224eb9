import { StringDecoder } from 'node:string_decoder';
import { createParser } from 'eventsource-parser';
import { log } from '../../core/log.js';

/** Takes what a stream holds, in its order. */
export interface StreamSink {
  event(event: unknown): void;
  /** `[DONE]`, which ends streams of OpenAI's API. */
  done(): void;
  /** An event or field named `error`, with what stands in it. */
  error(data: unknown): void;
  /** What is no event of this framing; nothing may be fed after it. */
  bad(problem: string): void;
}

export interface StreamReader {
  feed(chunk: Buffer): void;
  /** The stream ended by itself: an event without its line break is complete. */
  end(): void;
}

/** Parses a stream piece by piece; characters and events may be split between pieces. */
export function streamReader(
  framing: 'sse' | 'ndjson',
  longestEvent: number,
  sink: StreamSink,
): StreamReader {
  const decoder = new StringDecoder('utf8');
  const events = framing === 'sse' ? serverSentEvents(longestEvent, sink) : lines(longestEvent, sink);
  return {
    feed: (chunk) => events.feed(decoder.write(chunk)),
    end: () => events.end(decoder.end()),
  };
}

interface TextReader {
  feed(text: string): void;
  end(text: string): void;
}

const tooLong = (longest: number) => `an event of more than ${Math.round(longest / 2 ** 20)} MiB`;
const noJson = (text: string) => `an event that is no JSON: ${text.slice(0, 100)}`;

function serverSentEvents(longestEvent: number, sink: StreamSink): TextReader {
  let isEnding = false;
  const parser = createParser({
    maxBufferSize: longestEvent,
    onEvent({ data, event }) {
      if (data === '[DONE]') return sink.done();
      let parsed: unknown;
      try {
        parsed = JSON.parse(data);
      } catch (error) {
        log('an event of a stream: %s', error);
        // TensorRT-LLM and others leave a blank after it.
        if (data.trim() === '[DONE]') sink.done();
        else if (event === 'error') sink.error(data);
        // Half an event at the end is what a cut leaves.
        else if (!isEnding) sink.bad(noJson(data));
        return;
      }
      if (event === 'error') sink.error(parsed);
      else sink.event(parsed);
    },
    onError({ type, field, value }) {
      if (type === 'max-buffer-size-exceeded') sink.bad(tooLong(longestEvent));
      // Older llama-servers send a line `error: {…}`.
      else if (field === 'error') sink.error(value);
    },
  });
  return {
    feed: (text) => parser.feed(text),
    end(text) {
      isEnding = true;
      parser.feed(`${text}\n\n`);
    },
  };
}

function lines(longestLine: number, sink: StreamSink): TextReader {
  let pending = '';
  const take = (line: string, isWhole: boolean) => {
    if (line.trim() === '') return;
    let parsed: unknown;
    try {
      parsed = JSON.parse(line);
    } catch (error) {
      log('an event of a stream: %s', error);
      if (isWhole) sink.bad(noJson(line));
      return;
    }
    sink.event(parsed);
  };
  return {
    feed(text) {
      let begin = 0;
      for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', begin)) {
        take(pending + text.slice(begin, end), true);
        pending = '';
        begin = end + 1;
      }
      pending += text.slice(begin);
      if (pending.length > longestLine) sink.bad(tooLong(longestLine));
    },
    end: (text) => take(pending + text, false),
  };
}
