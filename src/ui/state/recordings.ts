import { blkparseText } from '../../trace/export-blkparse.ts';
import { csvLines } from '../../trace/export-csv.ts';
import { jsonLines } from '../../trace/export-json.ts';
import type { Recording } from '../../trace/recording.ts';
import { readTraceFile, writeTraceFile } from '../../trace/trace-file.ts';
import type { TraceState } from './trace.svelte.ts';

/** Of the page, as recordings name it. */
const PAGE_VERSION = '0.1.0';
export const RECORDING_EXTENSION = '.lnvmtrace';

export type ExportFormat = 'json' | 'csv' | 'blkparse';

/** The recording that is shown, as a file. Rejects when there is none. */
export async function saveRecording(
  trace: TraceState,
  about: { deviceLine: string; name: string },
): Promise<Uint8Array<ArrayBuffer>> {
  return writeTraceFile(recordingOf(trace), {
    madeAt: trace.file?.madeAt ?? new Date().toISOString(),
    version: PAGE_VERSION,
    deviceLine: trace.file?.deviceLine ?? about.deviceLine,
    name: trace.file?.name ?? about.name,
  });
}

/** Shows a recording from a file. Rejects with a TraceError for what is none. */
export async function openRecording(trace: TraceState, bytes: Uint8Array, fileName: string): Promise<void> {
  const { head, recording } = await readTraceFile(bytes);
  trace.open(recording, { ...head, name: head.name || fileName });
}

/** Shows a recording from an address. Rejects with a sentence; `words` say what a server or the network did. */
export async function fetchRecording(
  trace: TraceState,
  url: string,
  words: { readonly network: string; readonly page: string; status(code: string): string },
): Promise<void> {
  const address = new URL(url, document.baseURI);
  const response = await fetch(address).catch(() => {
    throw new Error(words.network);
  });
  if (!response.ok) throw new Error(words.status(String(response.status)));
  // Sites that are one page answer with it for whatever they do not have.
  if (response.headers.get('content-type')?.startsWith('text/html')) throw new Error(words.page);
  const name = address.pathname.split('/').at(-1) ?? '';
  await openRecording(trace, new Uint8Array(await response.arrayBuffer()), name);
}

/** The recording that is shown, as text, in parts. Throws when there is none. */
export function exportParts(trace: TraceState, format: ExportFormat): Iterable<string> {
  const recording = recordingOf(trace);
  if (format === 'json') return jsonLines(recording);
  return format === 'csv' ? csvLines(recording) : [blkparseText(recording)];
}

function recordingOf(trace: TraceState): Recording {
  if (!trace.recording) throw new Error('Nothing is recorded yet; power on, or open a recording.');
  return trace.recording;
}

export const isRecording = (file: File) => file.name.endsWith(RECORDING_EXTENSION);
