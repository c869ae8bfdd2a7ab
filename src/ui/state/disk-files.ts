import { transfer } from 'comlink';
import type { DiskFileKind, DiskRow, ImportRequest, TransferDown, TransferUp } from '../../rpc/protocol.ts';
import type { LabClient } from './connection.ts';

/** Where an exported disk goes, piece by piece. */
export interface FileSink {
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** All of it is there. */
  close(): Promise<void>;
  /** Nothing of it is to stay. */
  abort(): Promise<void>;
}

export interface TransferWatch {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/** Sends a disk into a sink; at most two pieces of about 1 MiB are in memory. Rejects with one sentence. */
export async function exportDisk(
  client: LabClient,
  id: string,
  kind: DiskFileKind,
  sink: FileSink,
  watch: TransferWatch = {},
): Promise<void> {
  const { port, tell, end } = open(watch);
  let failed: unknown;
  const allWritten = new Promise<void>((resolve) => {
    // One piece after the other, and the end behind the last: it comes by another way than the worker's answer.
    let writing = Promise.resolve();
    port.onmessage = ({ data }: MessageEvent<TransferUp>) => {
      if (data.type === 'progress') {
        watch.onProgress?.(data.doneBytes, data.totalBytes);
      } else if (data.type === 'end') {
        void writing.then(resolve);
      } else {
        writing = writing
          .then(async () => {
            if (failed !== undefined) return;
            await sink.write(data.bytes);
            tell({ type: 'next' });
          })
          .catch((error: unknown) => {
            failed = error;
            tell({ type: 'cancel' });
          });
      }
    };
  });
  // Two at first: the worker makes one while the other is written.
  tell({ type: 'next' });
  tell({ type: 'next' });
  try {
    await client.exportDisk(id, kind, end);
    await allWritten;
    if (failed !== undefined) throw failed;
    await sink.close();
  } catch (error) {
    await sink.abort().catch(() => {});
    throw failed ?? error;
  } finally {
    port.close();
  }
}

/** Makes a disk of files. Rejects with one sentence; then nothing was changed. */
export async function importDisk(
  client: LabClient,
  request: ImportRequest,
  watch: TransferWatch = {},
): Promise<DiskRow> {
  const { port, end } = open(watch);
  const allTold = new Promise<void>((resolve) => {
    port.onmessage = ({ data }: MessageEvent<TransferUp>) => {
      if (data.type === 'progress') watch.onProgress?.(data.doneBytes, data.totalBytes);
      else resolve();
    };
  });
  try {
    const disk = await client.importDisk(request, end);
    // The answer comes by another way, and can overtake the last of the progress.
    await allTold;
    return disk;
  } finally {
    port.close();
  }
}

function open({ signal }: TransferWatch) {
  const { port1, port2 } = new MessageChannel();
  const tell = (message: TransferDown): void => port1.postMessage(message);
  if (signal?.aborted) tell({ type: 'cancel' });
  signal?.addEventListener('abort', () => tell({ type: 'cancel' }));
  return { port: port1, tell, end: transfer(port2, [port2]) };
}

/** Pieces put together at a time: a list of a thousand Blobs is slow to join. */
const PIECES_AT_ONCE = 32;

export function blobSink(): FileSink & { blob(): Blob } {
  let whole: Blob[] = [];
  let pieces: Blob[] = [];
  return {
    async write(bytes) {
      pieces.push(new Blob([bytes]));
      if (pieces.length < PIECES_AT_ONCE) return;
      whole.push(new Blob(pieces));
      pieces = [];
    },
    async close() {},
    async abort() {
      whole = [];
      pieces = [];
    },
    blob: () => new Blob([...whole, ...pieces], { type: 'application/octet-stream' }),
  };
}
